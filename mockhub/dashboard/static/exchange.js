// One exchange in detail: headers and bodies, the reason of an error, what it cost, and commands that repeat it.
import { code, copyText, facts, formatCredits, formatTime, h, pretty, table } from "./dom.js";
import { asCurl, asFetch, asHttpx, bodyText } from "./journal.js";

// found: {exchange, curl} as the control plane returns it; context.api is null for the exchange of a file.
export async function renderExchange(context, { exchange: one, curl }) {
  const copy = (label, text) => h("button", { type: "button", onclick: () => copyText(text).then(() => context.toast(`Copied as ${label}.`)) }, `Copy as ${label}`);
  const live = context.api ? await Promise.all([renderNearMisses(context, one), renderGeneration(context, one)]) : [];
  return [
    h("p", { class: "mono wrap" }, one.target),
    explain(one),
    facts({
      Reason: one.reason && h("span", { class: "warn" }, one.reason), "API violation": one.spec_violation, Operation: one.operation, Account: one.account,
      Key: one.key, Credits: one.credits ? formatCredits(one.credits) : null, Faults: one.faults.join(", "), State: one.state,
      Client: one.client_disconnected ? "disconnected before it had the whole response" : null, Time: `${one.timestamp}, ${one.milliseconds} ms`,
    }),
    h("div", { class: "toolbar" }, copy("curl", curl ?? asCurl(one)), copy("httpx", asHttpx(one)), copy("fetch", asFetch(one))),
    live, message("Request", one.request, bodyText(one)), message("Response", one.response, one.response.body.text),
  ];
}

// The case that a paying client must survive, in one sentence.
function explain(one) {
  const arrived = one.status !== 0 && one.status < 400 && !one.client_disconnected && !one.faults.some((name) => name.startsWith("truncate"));
  if (one.credits >= 0 || arrived) return null;
  const late = one.faults.filter((name) => name.endsWith("@after"));
  const why = late.length ? `the fault ${late.join(", ")} acted after the charge` : "the client left after the charge";
  return h("p", { class: "card money" }, `${-one.credits} credits were paid for generation ${one.generation}, but the client did not get its images: ${why}. `
    + "A client that only sends the request again pays twice.");
}

// The faults that were armed before this exchange, and why they did not fire in it.
async function renderNearMisses({ api }, one) {
  const { faults } = await api("GET", "/faults");
  const missed = faults.filter(({ fault, armed_after }) => armed_after < one.number && !one.faults.includes(fault));
  return missed.length > 0 && h("section", {}, h("h3", {}, "Armed, but did not fire"),
    h("ul", {}, missed.map((fault) => h("li", {}, h("code", {}, fault.fault), ": ", h("bdi", {}, whyNot(fault, one))))));
}

function whyNot(fault, one) {
  const operation = fault.operation ?? (fault.prompt || !fault.fault.includes("@") ? "create_generation" : null);
  if (operation && operation !== one.operation) return `only for ${operation}`;
  if (!operation && one.operation === "get_image") return "not for images, unless it has on=get_image";
  if (fault.prompt && !(bodyText(one) ?? "").includes(fault.prompt)) return `only for prompts with ${JSON.stringify(fault.prompt)}`;
  if (fault.nth) return `only for request ${fault.nth} of ${fault.evaluated} so far`;
  const isUsedUp = fault.times && fault.fired >= fault.times;
  return [isUsedUp && "used up by now", fault.p < 1 && `with a probability of ${fault.p}`, "another fault or an error came first"].filter(Boolean).join(", or ");
}

async function renderGeneration({ api, href }, one) {
  if (!one.generation) return null;
  const generation = await api("GET", `/generations/${one.generation}`).catch(() => null); // evicted
  if (!generation) return null;
  const { entries } = await api("GET", `/accounts/${encodeURIComponent(generation.account)}/entries?generation=${one.generation}`);
  return h("section", {}, h("h3", {}, "Generation ", h("a", { href: href("requests", { q: generation.id }) }, generation.id)),
    facts({
      Prompt: h("bdi", {}, generation.prompt), State: generation.status, Outcome: generation.outcome,
      Images: generation.delivered ? h("a", { href: href("gallery", { image: `${generation.id}.1` }) }, `${generation.delivered} of ${generation.n}`) : `0 of ${generation.n}`,
      Billed: `${generation.tier}, ${generation.credits} of ${generation.credits_requested} credits`,
    }),
    entries.length > 0 && table([
      { label: "Ledger", value: (entry) => entry.kind },
      { label: "Credits", class: "number", value: (entry) => formatCredits(entry.credits) },
      { label: "Lot", class: "number", value: (entry) => entry.lot },
      { label: "Time", value: (entry) => formatTime(entry.created_at) }], entries, "Ledger entries"));
}

function message(title, { headers, body }, text) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return h("section", {}, h("h3", {}, title),
    lines.length > 0 && h("details", {}, h("summary", {}, `${lines.length} headers`), code(lines.join("\n"), `${title} headers`)),
    text ? code(pretty(text), `${title} body`)
      : h("p", { class: "muted" }, body.length ? `${body.length} bytes${body.sha256 ? `, sha256 ${body.sha256}` : ""}` : "No body."));
}
