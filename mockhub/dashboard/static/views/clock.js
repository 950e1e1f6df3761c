// The clock of a hub: its time, its kind and mode, and what moves it.
import { facts, field, h, replace } from "../dom.js";
import { action, form, keepLoaded } from "../live.js";

export async function mount(root, context) {
  const { api, can, target } = context;
  const state = h("div", { class: "mono" });
  const set = async (method, path, body) => { show(await api(method, `/clock${path}`, body)); return `It is ${clock.now}.`; };
  const manual = h("fieldset", {},
    h("legend", {}, "Move the clock"),
    form(context, "Advance", ({ by }) => set("POST", "/advance", { by: by.value }),
      field("Advance by", h("input", { name: "by", value: "10m", size: 8, pattern: "[0-9.]+(ms|s|m|h|d)", required: true }))),
    form(context, "To the next event", () => set("POST", "/next")),
    form(context, "Set", ({ to }) => set("POST", "/set", { to: to.value }),
      field("Set to", h("input", { name: "to", size: 24, placeholder: "2030-01-01T00:00:00Z", required: true }))));
  const kinds = [
    ["System clock", "It follows the real time.", { kind: "system" }],
    ["Manual, autojump", "A request that waits moves it.", { kind: "manual", mode: "autojump" }],
    ["Manual, hold", "A request that waits stays open until it is moved.", { kind: "manual", mode: "hold" }],
  ].map(([label, text, body]) => ({ body, text, button: action(context, label, () => set("PATCH", "", body)) }));
  replace(root, h("h2", {}, "Clock"), state,
    can("update_clock") && h("fieldset", {}, h("legend", {}, "Kind"), kinds.map(({ button, text }) => h("p", {}, button, " ", h("span", { class: "hint" }, text)))),
    can("advance_clock") && [manual, h("p", { class: "hint" }, "Generations, key expiry, credit expiry and the time limit of a generation follow this clock. "
      + "Durations are written as 150ms, 2s, 10m, 1h or 30d.")]);

  let clock = null;
  let readAt = 0;
  function show(next) {
    clock = next;
    readAt = performance.now();
    manual.disabled = clock.kind !== "manual";
    for (const { button, body } of kinds) {
      button.setAttribute("aria-pressed", String(body.kind === clock.kind && (body.mode ?? null) === clock.mode));
    }
    draw();
  }
  function draw() {
    const elapsed = clock.kind === "system" ? performance.now() - readAt : 0;
    const now = new Date(Date.parse(clock.now) + elapsed).toISOString();
    const left = clock.next_event && (Date.parse(clock.next_event) - Date.parse(now)) / 1000;
    replace(state, facts({ Now: now, "Next event": target ? null : clock.next_event ? `${clock.next_event}, in ${left.toLocaleString("en", { maximumFractionDigits: 1 })} s` : "none" }));
  }
  await keepLoaded(context, async () => show(await api("GET", "/clock")), (batch) => batch.changed.length > 0);
  setInterval(() => clock?.kind === "system" && draw(), 200);
}
