// What the views of a hub's state share: reading again while it changes, and a list with "Show older".
import { h } from "./dom.js";

const PAUSE = 500; // milliseconds between two readings
const MAX_LIMIT = 1000; // of the control plane

// Replace the children of a node, and keep the focus on the element with the same data-key.
export function replace(node, ...children) {
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== false));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

// Call load now, and again after events that `concerns(batch)`: one call at a time, with a pause after each,
// since a busy hub sends events all the time. Returns {load, stop}.
export async function keepLoaded(context, load, concerns, pause = PAUSE) {
  let running = null;
  let again = false;
  let stopped = false;
  let loadedAt = 0;
  let duration = 0; // a long list takes a small part of the time
  let timer = null;
  async function run() {
    const startedAt = performance.now();
    do {
      again = false;
      try { await load(); } catch (error) { if (!stopped) context.showError(error); }
    } while (again && !stopped);
    loadedAt = performance.now();
    duration = loadedAt - startedAt;
    running = null;
  }
  const reload = () => { again = running !== null; running ??= run(); return running; };
  const unsubscribe = context.onEvents((batch) => {
    if (!batch.cleared && !concerns(batch)) return;
    timer ??= setTimeout(() => { timer = null; reload(); }, Math.max(0, loadedAt + Math.max(pause, 4 * duration) - performance.now()));
  });
  await reload();
  return { load: reload, stop() { stopped = true; clearTimeout(timer); unsubscribe(); } };
}

export const changed = (...names) => (batch) => batch.changed.some((one) => names.includes(one));

// A list whose newest items are read, and twice as many with each click of the button.
export function pager(step, onMore) {
  const button = h("button", { type: "button", hidden: true, onclick: () => { one.limit *= 2; onMore(); } }, "Show older");
  const note = h("span", { class: "muted", role: "status" });
  const one = {
    limit: step,
    node: h("p", { class: "toolbar" }, button, note),
    // Return the items, newest first. `id(item)` is what the parameter `before` of the next page names.
    async read(api, path, noun, id) {
      const items = [];
      let more = true;
      let total = 0;
      while (more && items.length < one.limit) {
        const before = items.length ? `&before=${encodeURIComponent(id(items.at(-1)))}` : "";
        const page = await api("GET", `${path}&limit=${Math.min(MAX_LIMIT, one.limit - items.length)}${before}`);
        items.push(...(page.generations ?? page.entries.toReversed()));
        total = page.total;
        more = page.more ?? (page.entries.length > 0 && items.length < page.stored);
      }
      button.hidden = !more;
      note.textContent = `${items.length.toLocaleString("en")} of ${total.toLocaleString("en")} ${noun}`;
      return items;
    },
  };
  return one;
}

// A button that calls the control plane and shows what came of it.
export function action(context, label, call, { done, ...attributes } = {}) {
  return h("button", { type: "button", ...attributes, async onclick() {
    try { await call(); if (done) context.toast(done); } catch (error) { context.showError(error); }
  } }, label);
}

export function form(context, label, call, ...fields) {
  return h("form", { class: "toolbar", async onsubmit(event) {
    event.preventDefault();
    try { await call(event.target); } catch (error) { context.showError(error); }
  } }, fields, h("button", { type: "submit" }, label));
}

let fields = 0;
// A control with its label.
export function field(label, control) {
  control.id ||= `field-${fields += 1}`;
  return h("span", { class: "field" }, h("label", { htmlFor: control.id }, label), control);
}

export function facts(values) {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export const firstImage = (context, prompt) => `curl ${context.publicUrl}/api/v1/images/generations \\
  -H "Authorization: Bearer gih_live_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \\
  --json '${JSON.stringify({ model: "gpt-image-2", ...prompt })}'`;
