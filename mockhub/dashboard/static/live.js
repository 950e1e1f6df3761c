// What views share: reading again while a hub changes, buttons and forms that change it, long lists.
import { code, emptyState, formatNumber, h } from "./dom.js";

const PAUSE = 500; // milliseconds between two readings
const MAX_LIMIT = 1000; // of the control plane

// Call load now, and again after events that `concerns(batch)`, but not all the time if the hub is
// busy or the list long. Sets context.reload, which `action` and `form` call after a change.
export function keepLoaded(context, load, concerns, pause = PAUSE) {
  let running = Promise.resolve();
  let next = null; // at most one call waits for the running one
  let timer = null;
  let due = 0;
  async function run() {
    next = null;
    const startedAt = performance.now();
    try { await load(); } catch (error) { context.showError(error); }
    due = performance.now() + Math.max(pause, 4 * (performance.now() - startedAt));
  }
  context.reload = () => {
    next ??= running = running.then(run);
    return next;
  };
  context.onEvents((batch) => {
    if (!batch.cleared && !concerns(batch)) return;
    timer ??= setTimeout(() => { timer = null; context.reload(); }, due - performance.now());
  });
  return context.reload();
}

export const changed = (...names) => (batch) => batch.changed.some((one) => names.includes(one));

// A list whose newest items are read, and twice as many with each click of the button.
export function pager(context, step) {
  let limit = step;
  const button = h("button", { type: "button", hidden: true, onclick() { limit *= 2; context.reload(); } }, "Show older");
  const note = h("span", { class: "muted", role: "status" });
  return {
    node: h("p", { class: "toolbar" }, button, note),
    // Return the items, newest first. `id(item)` is what the parameter `before` of the next page names.
    async read(path, noun, id) {
      const items = [];
      let more = true;
      let total = 0;
      while (more && items.length < limit) {
        const before = items.length ? `&before=${encodeURIComponent(id(items.at(-1)))}` : "";
        const page = await context.api("GET", `${path}&limit=${Math.min(MAX_LIMIT, limit - items.length)}${before}`);
        items.push(...(page.generations ?? page.entries.toReversed()));
        total = page.total;
        more = page.more ?? (page.entries.length > 0 && items.length < page.stored);
      }
      button.hidden = !more;
      note.textContent = `${formatNumber(items.length)} of ${formatNumber(total)} ${noun}`;
      return items;
    },
  };
}

async function change(context, call) {
  try {
    const done = await call();
    await context.reload?.();
    if (typeof done === "string") context.toast(done);
  } catch (error) { context.showError(error); }
}

// A button that changes something. `call` may return what to say when it is done.
export function action(context, label, call, attributes) {
  return h("button", { type: "button", ...attributes, onclick: () => change(context, call) }, label);
}

// A form that does; `call` gets its controls by name.
export function form(context, label, call, ...fields) {
  return h("form", { class: "toolbar", onsubmit(event) {
    event.preventDefault();
    change(context, () => call(event.target.elements));
  } }, fields, h("button", { type: "submit" }, label));
}

// The command that makes the first image, and a button that sends the same request.
export async function firstImage(context, text, fields) {
  const { keys } = await context.api("GET", "/keys");
  const valid = keys.filter((one) => one.status === "valid");
  const key = valid.find((one) => one.name === "documentation") ?? valid[0];
  const raw = key?.name === "documentation" ? `gih_live_${"x".repeat(32)}` : "$MOCKHUB_KEY"; // a published key, no secret
  const body = JSON.stringify({ model: "gpt-image-2", ...fields });
  const target = "/api/v1/images/generations";
  return emptyState(text, [`curl ${context.publicUrl}${target} \\`,
    `  -H "Authorization: Bearer ${raw}" -H "Content-Type: application/json" \\`, `  -d '${body}'`].join("\n"),
  key && context.can("send_request") && h("p", {}, h("button", { type: "button", class: "primary",
    onclick: () => context.api("POST", "/requests", { method: "POST", target, key: key.id, body }).catch(context.showError) },
  "Or send it from here"), ` with the key ${key.name}`));
}
