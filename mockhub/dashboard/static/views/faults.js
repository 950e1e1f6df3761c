// The armed faults of a hub, a form that writes a fault, and the script of the provider.
import { emptyState, h, table } from "../dom.js";
import { action, changed, field, form, keepLoaded, replace } from "../live.js";

const SCENES = [
  ["Next request fails", "status=503 x1"],
  ["Lose the response after the charge", "reset@after x1 on=create_generation"],
  ["503 for 30 s", "status=503 for=30s"],
  ["Deliver 3 of 4", "deliver=3 x1"],
];

export async function mount(root, context) {
  const { api, hub, toast } = context;
  const path = `/hubs/${encodeURIComponent(hub)}`;
  const { faults, operations } = await api("GET", "/fault-types");
  const [armed, provider] = [h("div"), h("textarea", { id: "script", rows: 4, class: "wide mono", spellcheck: false, oninput: () => { edited = true; } })];
  const used = h("span", { class: "muted", role: "status" });
  let edited = false;

  async function arm(fault, prompt) {
    await api("POST", `${path}/faults`, prompt ? { fault, prompt } : { fault });
    toast(`Armed: ${fault}`);
    await live.load();
  }
  const scene = (label, button, text) => h("p", { class: "scene" }, button, " ", h("code", {}, text));
  const key = h("select");
  const expire = async () => {
    await api("PATCH", `${path}/keys/${key.value}`, { expires_in: "0s" });
    toast(`The key ${key.selectedOptions[0].textContent} has expired.`);
    await live.load();
  };

  // -- the form that writes a fault ------------------------------------------------------------

  const option = (value, label = value) => h("option", { value }, label);
  const name = h("select", { id: "fault" }, ["transport", "provider"].map((target) => h("optgroup", { label: target === "transport" ? "The exchange" : "The generation" },
    faults.filter((one) => one.target === target).map((one) => option(one.name)))));
  const controls = {
    value: h("input", { size: 6, required: true }), phase: h("select"),
    on: h("select", {}, option("", "any operation"), operations.map((one) => option(one))),
    x: h("input", { type: "number", min: 1, placeholder: "always" }), nth: h("input", { type: "number", min: 1, placeholder: "each" }),
    p: h("input", { type: "number", min: 0, max: 1, step: "any", placeholder: "1" }), for: h("input", { size: 6, placeholder: "ever" }),
    prompt: h("input", { size: 16, placeholder: "any" }),
  };
  const labels = { value: "Value", phase: "When", on: "On", x: "Times", nth: "Only request", p: "Probability", for: "For", prompt: "Prompt contains" };
  const text = h("output", { class: "mono directive" });
  const help = h("p", { class: "hint" });
  const wrapped = Object.fromEntries(Object.entries(controls).map(([id, control]) => [id, field(labels[id], control)]));
  const write = () => {
    const { value, phase, on, x, nth, p } = Object.fromEntries(Object.entries(controls).map(([id, control]) => [id, control.value.trim()]));
    const type = faults.find((one) => one.name === name.value);
    text.textContent = [`${name.value}${type.argument ? `=${value}` : ""}${phase && phase !== type.phases[0] ? `@${phase}` : ""}`,
      x && `x${x}`, nth && `nth=${nth}`, p && `p=${p}`, on && type.target === "transport" && `on=${on}`, controls.for.value && `for=${controls.for.value.trim()}`].filter(Boolean).join(" ");
  };
  const choose = () => {
    const type = faults.find((one) => one.name === name.value);
    const { argument } = type;
    controls.value.value = argument?.example ?? "";
    controls.value.disabled = !argument;
    wrapped.value.hidden = !argument;
    wrapped.phase.hidden = type.phases.length < 2;
    wrapped.on.hidden = type.target === "provider";
    controls.phase.replaceChildren(...type.phases.map((one) => option(one, `@${one} the operation`)));
    const bounds = argument?.kind === "number" ? ` A whole number from ${argument.minimum}${argument.maximum < 1e6 ? ` to ${argument.maximum}` : ""}.` : argument ? " A duration such as 150ms, 2s or 5m." : "";
    help.textContent = type.summary + bounds;
    write();
  };
  name.addEventListener("change", choose);
  const builder = form(context, "Arm", () => arm(text.textContent, controls.prompt.value), field("Fault", name), Object.values(wrapped));
  builder.addEventListener("input", write);
  choose();

  root.append(h("h2", {}, "Faults"),
    h("fieldset", { class: "scenes" }, h("legend", {}, "One click"),
      SCENES.map(([label, fault]) => scene(label, action(context, label, () => arm(fault)), fault)),
      scene("Key expires now", action(context, "Key expires now", expire), "expires_in: 0s"), h("p", {}, field("of the key", key))),
    h("h3", {}, "Armed"), armed,
    h("fieldset", {}, h("legend", {}, "Write a fault"), builder, help, h("p", {}, "As text: ", text),
      h("p", { class: "hint" }, "The same text works in a prompt as [[…]], in the header X-Mockhub, in a scenario, and in mockhub ctl arm-fault (for= only where a fault is armed).")),
    h("fieldset", {}, h("legend", {}, "Script of the provider"), form(context, "Set the script", async () => {
      await api("PUT", `${path}/provider`, { script: provider.value.split("\n").map((line) => line.trim()).filter(Boolean) });
      edited = false;
      toast("The script is set.");
      await live.load();
    }, h("label", { htmlFor: "script", class: "wide" }, "One outcome for each coming generation, such as fail or deliver=3 duration=2s; the last one repeats."), provider), used));

  const columns = [
    { label: "#", class: "number", value: (one) => one.number },
    { label: "Fault", value: (one) => h("code", {}, one.fault) },
    { label: "On", value: (one) => one.operation ?? "any" },
    { label: "Fires", value: (one) => [one.times && (one.times === 1 ? "once" : `${one.times} times`), one.nth && `at request ${one.nth}`, one.p < 1 && `p=${one.p}`, one.expires_at && `until ${one.expires_at}`].filter(Boolean).join(", ") || "always" },
    { label: "Prompt contains", class: "text", value: (one) => h("span", { dir: "auto" }, one.prompt ?? "") },
    { label: "Evaluated", class: "number", value: (one) => one.evaluated },
    { label: "Fired", class: "number", value: (one) => h("strong", { class: one.fired ? "bad" : "" }, one.fired) },
    { label: "Change", value: (one) => action(context, "Disarm", async () => { await api("DELETE", `${path}/faults/${one.number}`); await live.load(); },
      { "data-key": `disarm ${one.number}`, "aria-label": `Disarm ${one.fault}` }) },
  ];
  async function load() {
    const [listed, script, { keys }] = await Promise.all([api("GET", `${path}/faults`), api("GET", `${path}/provider`), api("GET", `${path}/keys`)]);
    replace(armed, listed.faults.length ? [table(columns, listed.faults, "Armed faults"),
      h("p", {}, action(context, "Disarm all", async () => { await api("DELETE", `${path}/faults`); await live.load(); }, { "data-key": "disarm all" }))]
      : emptyState("No fault is armed. Click one above, write one below, or:", `mockhub ctl --hub ${hub} arm-fault "reset@after x1"`));
    if (!edited) provider.value = script.script.join("\n");
    used.textContent = `${script.used} outcomes used.`;
    const chosen = key.value;
    key.replaceChildren(...keys.filter((one) => one.status === "valid").map((one) => option(one.id, one.name.slice(0, 40))));
    if (keys.some((one) => one.id === chosen && one.status === "valid")) key.value = chosen;
  }
  const live = await keepLoaded(context, load, (batch) => changed("faults", "accounts", "clock")(batch) || batch.exchanges.length > 0);
  return live.stop;
}
