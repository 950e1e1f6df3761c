// Build elements. Text is always a text node, so that a prompt with markup stays text.

// h("button", { class: "quiet", onclick: save, "aria-label": "Save" }, "Save", icon)
// An attribute is a listener (onclick), a property (value, disabled), or else an attribute.
// Children that are null or false are left out.
export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);

// The same for SVG.
export const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list" && node instanceof HTMLElement) node[name] = value;
    else node.setAttribute(name, value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

// What the mouse has pressed: if it were replaced before the button is released, there would be no click.
let pressed = null;
const delayed = new Map(); // children by node
addEventListener("pointerdown", (event) => { pressed = event.button === 0 ? event.target : null; });
for (const end of ["pointerup", "pointercancel", "contextmenu", "blur"]) {
  addEventListener(end, () => {
    pressed = null;
    setTimeout(() => { for (const [node, children] of delayed) replace(node, ...children); }); // after the click
  });
}

// Replace the children of a node, and keep the focus on the element with the same data-key.
export function replace(node, ...children) {
  delayed.delete(node);
  if (node.contains(pressed)) {
    delayed.set(node, children);
    return;
  }
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  node.replaceChildren();
  append(node, children);
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

// columns: [{ label, value: row => child or text, class }]; rows: any objects.
export function table(columns, rows, label = "Table") {
  const cell = (column, row) => h("td", { class: column.class }, column.value(row));
  return h("div", { class: "scroll", role: "region", tabIndex: 0, "aria-label": label },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one.class }, one.label)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((one) => cell(one, row)))))));
}

// A list of names and values; those without a value are left out.
export function facts(values) {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

let fields = 0;
// A control with its label.
export function field(label, control) {
  control.id ||= `field-${fields += 1}`;
  return h("span", { class: "field" }, h("label", { htmlFor: control.id }, label), control);
}

// Text of openapi.yaml, in which `...` is code.
export function inline(text) {
  return (text ?? "").split(/`([^`]+)`/).map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

// The time of day of an ISO time, with the date in the tooltip.
export const formatTime = (iso) => h("time", { dateTime: iso, title: iso }, iso.slice(11, 23));

// An ISO time to the second.
export const formatDate = (iso) => (iso ? h("time", { dateTime: iso, title: iso }, iso.slice(0, 19).replace("T", " ")) : "never");

// -8 as "−8", 8 as "+8", 0 as "0".
export function formatCredits(credits) {
  return credits === 0 ? "0" : `${credits < 0 ? "−" : "+"}${formatNumber(Math.abs(credits))}`;
}

export const formatNumber = (number) => number.toLocaleString("en");

// What to do next where there is nothing to show; the command can be copied.
export function emptyState(text, command, ...more) {
  return h("div", { class: "empty" }, h("p", {}, text), command && code(command, "Command"), more);
}

// JSON with indentation; other text as it is.
export function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text ?? ""; }
}

// A block of text with a button that copies it.
export function code(text, label = "Text") {
  const button = h("button", { type: "button", class: "quiet copy", async onclick() {
    await copyText(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } }, "Copy");
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
