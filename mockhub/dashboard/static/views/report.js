// What the client does wrong, with evidence, and which parts of the contract it has met.
import { emptyState, h, table } from "../dom.js";
import { facts, firstImage, keepLoaded, replace } from "../live.js";

const PAUSE = 2000; // milliseconds: a report analyses the whole journal
const MAX_EVIDENCE = 20;
const CLASSES = { money: "bad", warning: "warn", hint: "hint" };

export async function mount(root, context) {
  const { api, hub, href } = context;
  const [state, findings, matrix, rest] = Array.from({ length: 4 }, () => h("div"));
  root.append(h("h2", {}, "Report"), state, h("h3", {}, "Findings"), findings, h("h3", {}, "Contract coverage"), matrix, rest);

  const met = (count) => (count === undefined ? h("span", { class: "muted" }, "·") : h("span", { class: count ? "good" : "warn" }, count ? `met ${count.toLocaleString("en")}×` : "never met"));
  function finding(one) {
    const numbers = one.exchange_numbers.slice(0, MAX_EVIDENCE);
    const more = one.exchange_numbers.length - numbers.length;
    return h("article", { class: "card" },
      h("p", {}, h("strong", { class: CLASSES[one.severity] }, one.severity), " ", h("code", {}, one.kind), one.credits > 0 && h("span", { class: "bad" }, ` ${one.credits} credits lost`)),
      h("p", { class: "wrap" }, one.summary), h("p", {}, h("strong", {}, "Impact: "), one.impact), h("p", {}, h("strong", {}, "Instead: "), one.suggestion),
      h("p", {}, "Requests: ", numbers.map((number) => [h("a", { href: href("requests", { exchange: number }), "data-key": `${one.kind} ${number}` }, `#${number}`), " "]), more > 0 && `and ${more} more`));
  }
  function covered(coverage) {
    const statuses = [...new Set(Object.values(coverage.statuses).flatMap(Object.keys))].sort();
    const columns = [{ label: "Operation", value: ([name]) => h("code", {}, name) }, { label: "Requests", class: "number", value: ([name]) => coverage.operations[name] },
      ...statuses.map((status) => ({ label: status, value: ([, counts]) => met(counts[status]) }))];
    return table(columns, Object.entries(coverage.statuses), "Operations and statuses");
  }
  const list = (title, counts) => h("section", {}, h("h3", {}, title), table([{ label: title, value: ([name]) => h("code", {}, name) }, { label: "Met", value: ([, count]) => met(count) }], Object.entries(counts), title));
  async function load() {
    const report = await api("GET", `/hubs/${encodeURIComponent(hub)}/report`);
    const { coverage } = report;
    replace(state, facts({ Requests: report.exchanges.toLocaleString("en"), Analysed: `the last ${report.stored.toLocaleString("en")}`, Coverage: `${coverage.covered} of ${coverage.total} parts of the contract` }));
    const nothing = report.exchanges ? emptyState("The client does nothing wrong in these requests. Make it harder: arm a fault in the view Faults, and let it try again.")
      : emptyState("No request yet. Point your client at this hub, or begin here:", firstImage(context, { prompt: "A lighthouse at dusk" }));
    replace(findings, report.findings.length ? report.findings.map(finding) : nothing);
    replace(matrix, covered(coverage), h("p", { class: "hint" }, "· is not documented for the operation."));
    replace(rest, h("div", { class: "columns" }, list("Error code", coverage.codes), list("State", coverage.states),
      Object.keys(coverage.undocumented).length > 0 && list("Not in the contract", coverage.undocumented)));
  }
  const live = await keepLoaded(context, load, (batch) => batch.exchanges.length > 0, PAUSE);
  return live.stop;
}
