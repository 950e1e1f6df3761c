// The armed faults of a hub, a form that writes a fault, and the script of the provider.
import { emptyState, field, formatDate, h, replace, table } from "../dom.js";
import { action, changed, form, keepLoaded } from "../live.js";

const SCENES = [
  ["Next request fails", "status=503 x1"],
  ["Lose the response after the charge", "reset@after x1 on=create_generation"],
  ["503 for 30 s", "status=503 for=30s"],
  ["Deliver 3 of 4", "deliver=3 x1"],
];

export async function mount(root, context) {
  const { api, can, control } = context;
  const types = await control("GET", "/fault-types");
  const option = (value, label = value) => h("option", { value }, label);
  const arm = async (fault, prompt) => {
    await api("POST", "/faults", prompt ? { fault, prompt } : { fault });
    return `Armed: ${fault}`;
  };

  // -- the form that writes a fault ------------------------------------------------------------

  const group = (label, target) => {
    const found = types.faults.filter((one) => one.target === target);
    return found.length > 0 && h("optgroup", { label }, found.map((one) => option(one.name)));
  };
  const name = h("select", { id: "fault", name: "fault" }, group("The exchange", "transport"), group("The generation", "provider"));
  const number = (placeholder, attributes) => h("input", { type: "number", min: 1, placeholder, ...attributes });
  const controls = {
    value: ["Value", h("input", { size: 6, required: true })],
    phase: ["When", h("select")],
    on: ["On", h("select", {}, option("", "any operation"), types.operations.map((one) => option(one)))],
    x: ["Times", number("always")],
    nth: ["Only request", number("each")],
    p: ["Probability", number("1", { min: 0, max: 1, step: "any" })],
    for: ["For", h("input", { size: 6, placeholder: "ever" })],
    prompt: ["Prompt contains", h("input", { size: 16, placeholder: "any" })],
  };
  const fields = Object.fromEntries(Object.entries(controls).map(([id, [label, control]]) => [id, field(label, control)]));
  const text = h("output", { class: "mono directive" });
  const help = h("p", { class: "hint" });
  const type = () => types.faults.find((one) => one.name === name.value);
  const value = (id) => (fields[id].hidden ? "" : controls[id][1].value.trim());
  const write = () => {
    const phase = value("phase") !== type().phases[0] && value("phase");
    text.textContent = [name.value + (value("value") && `=${value("value")}`) + (phase ? `@${phase}` : ""), value("x") && `x${value("x")}`,
      ...["nth", "p", "on", "for"].map((id) => value(id) && `${id}=${value(id)}`)].filter(Boolean).join(" ");
  };
  const choose = () => {
    const { argument, phases, summary, target } = type();
    controls.value[1].value = argument?.example ?? "";
    controls.value[1].disabled = !argument;
    controls.phase[1].replaceChildren(...phases.map((one) => option(one, `@${one} the operation`)));
    fields.value.hidden = !argument;
    fields.phase.hidden = phases.length < 2;
    fields.on.hidden = target === "provider";
    const bounds = !argument ? "" : argument.kind === "duration" ? " A duration such as 150ms, 2s or 5m."
      : ` A whole number from ${argument.minimum}${argument.maximum < 1e6 ? ` to ${argument.maximum}` : ""}.`;
    help.textContent = summary + bounds;
    write();
  };
  name.addEventListener("change", choose);
  const builder = form(context, "Arm", () => arm(text.textContent, value("prompt")), field("Fault", name), Object.values(fields));
  builder.addEventListener("input", write);
  choose();

  // -- the view --------------------------------------------------------------------------------

  const key = h("select");
  const armed = h("div");
  const used = h("span", { class: "muted", role: "status" });
  let edited = false;
  const script = h("textarea", { id: "script", rows: 4, class: "wide mono", spellcheck: false, oninput() { edited = true; } });
  const scene = (label, text, call) => h("p", {}, action(context, label, call), " ", h("code", {}, text));
  replace(root, h("h2", {}, "Faults"),
    h("fieldset", { class: "scenes" }, h("legend", {}, "One click"),
      SCENES.filter(([, fault]) => types.faults.some((one) => one.name === /^\w+/.exec(fault)[0])).map(([label, fault]) => scene(label, fault, () => arm(fault))),
      can("expire_key") && [scene("Key expires now", "expires_in: 0s", async () => {
        if (!key.value) throw new Error("This hub has no valid key.");
        const { textContent } = key.selectedOptions[0];
        await api("PATCH", `/keys/${key.value}`, { expires_in: "0s" });
        return `The key ${textContent} has expired.`;
      }), h("p", {}, field("of the key", key))]),
    h("h3", {}, "Armed"), armed,
    h("fieldset", {}, h("legend", {}, "Write a fault"), builder, help, h("p", {}, "As text: ", text),
      h("p", { class: "hint" }, `The same text works ${context.target ? "" : "in a prompt as [[…]], in a scenario, "}in the header X-Mockhub, and in mockhub ctl arm-fault (for= only where a fault is armed).`)),
    can("set_provider_script") && h("fieldset", {}, h("legend", {}, "Script of the provider"), form(context, "Set the script", async () => {
      await api("PUT", "/provider", { script: script.value.split("\n").map((line) => line.trim()).filter(Boolean) });
      edited = false;
      return "The script is set.";
    }, h("label", { htmlFor: "script", class: "wide" }, "One outcome for each coming generation, such as fail or deliver=3 duration=2s; the last one repeats."), script), used));

  const disarm = (label, path, attributes) => action(context, label, async () => { await api("DELETE", `/faults${path}`); }, attributes);
  const fires = (one) => [one.times && (one.times === 1 ? "once" : `${one.times} times`), one.nth && `at request ${one.nth}`, one.p < 1 && `p=${one.p}`,
    one.expires_at && ["until ", formatDate(one.expires_at)], one.times && one.fired >= one.times && "used up"].filter(Boolean).flatMap((text) => [", ", text]).slice(1);
  const columns = [
    { label: "#", class: "number", value: (one) => one.number },
    { label: "Fault", value: (one) => h("code", {}, one.fault) },
    { label: "On", value: (one) => one.operation ?? "any" },
    { label: "Fires", value: (one) => (fires(one).length ? fires(one) : "always") },
    { label: "Prompt contains", class: "text", value: (one) => h("span", { dir: "auto" }, one.prompt ?? "") },
    { label: "Evaluated", class: "number", value: (one) => one.evaluated },
    { label: "Fired", class: "number", value: (one) => h("strong", { class: one.fired ? "bad" : "" }, one.fired) },
    { label: "Change", value: (one) => disarm("Disarm", `/${one.number}`, { "data-key": `disarm ${one.number}`, "aria-label": `Disarm ${one.fault}` }) },
  ];
  await keepLoaded(context, async () => {
    const [{ faults }, provider, { keys }] = await Promise.all([api("GET", "/faults"), api("GET", "/provider"), api("GET", "/keys")]);
    replace(armed, faults.length ? [table(columns, faults, "Armed faults"), h("p", {}, disarm("Disarm all", "", { "data-key": "disarm all" }))]
      : emptyState("No fault is armed. Click one above, write one below, or:", context.ctl('arm-fault "reset@after x1"')));
    if (!edited) script.value = provider.script.join("\n");
    used.textContent = `${provider.used} outcomes used.`;
    const chosen = key.value;
    replace(key, keys.filter((one) => one.status === "valid").map((one) => option(one.id, one.name.slice(0, 40))));
    if (keys.some((one) => one.id === chosen && one.status === "valid")) key.value = chosen;
  }, (batch) => changed("faults", "accounts", "clock")(batch) || batch.exchanges.length > 0);
}
