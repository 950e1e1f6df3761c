// Build elements. Text is always a text node, so that a prompt with markup stays text.

const SVG = "http://www.w3.org/2000/svg";

// h("button", { class: "quiet", onclick: save, "aria-label": "Save" }, "Save", icon)
// An attribute is a listener (onclick), a property (value, disabled), or else an attribute.
// `style` is an object. Children that are null or false are left out.
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "style") Object.assign(node.style, value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  append(node, children);
  return node;
}

// The same for SVG, where everything is an attribute.
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

// columns: [{ label, value: row => child or text, class }]; rows: any objects.
export function table(columns, rows, label = "Table") {
  const cell = (column, row) => h("td", { class: column.class }, column.value(row));
  return h("div", { class: "scroll", role: "region", tabIndex: 0, "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.class }, one.label)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((one) => cell(one, row)))))));
}

// Text of openapi.yaml, in which `...` is code.
export function inline(text) {
  return (text ?? "").split(/`([^`]+)`/).map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

// The time of day of an ISO time, with the date in the tooltip.
export function formatTime(iso) {
  if (!iso) return "never";
  return h("time", { dateTime: iso, title: iso }, iso.slice(11, 23));
}

// -8 as "−8", 8 as "+8", 0 as "0".
export function formatCredits(credits) {
  return credits === 0 ? "0" : `${credits < 0 ? "−" : "+"}${Math.abs(credits).toLocaleString("en")}`;
}

// What to do next where there is nothing to show; the command can be copied.
export function emptyState(text, command) {
  return h("div", { class: "empty" }, h("p", {}, text), command && code(command, "Command"));
}

// JSON with indentation; other text as it is.
export function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text ?? ""; }
}

// A block of text with a button that copies it.
export function code(text, label = "Text") {
  const button = h("button", { type: "button", class: "quiet copy" }, "Copy");
  button.addEventListener("click", async () => {
    await copyText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return h("div", { class: "code" }, h("pre", { tabIndex: 0, role: "region", "aria-label": label }, text), button);
}

// Without HTTPS only the old way works, as on a server that is not on loopback.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { value: text, class: "offscreen" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
