// What the client does wrong, with evidence, and which parts of the contract it has met.
import { emptyState, facts, formatNumber, h, replace, table } from "../dom.js";
import { firstImage, keepLoaded } from "../live.js";

const PAUSE = 2000; // milliseconds: a report analyses the whole journal
const MAX_EVIDENCE = 20;
const CLASSES = { violation: "bad", money: "bad", warning: "warn", hint: "hint" };

export async function mount(root, context) {
  const { api, href } = context;
  const [state, findings, matrix] = Array.from({ length: 3 }, () => h("div"));
  root.append(h("h2", {}, "Report"), state, h("h3", {}, "Findings"), findings, h("h3", {}, "Contract coverage"), matrix);

  const met = (count) => (count === undefined ? h("span", { class: "muted" }, "·") : h("span", { class: count ? "good" : "warn" }, count ? `met ${formatNumber(count)}×` : "never met"));
  function finding(one) {
    const numbers = one.exchange_numbers.slice(0, MAX_EVIDENCE);
    const more = one.exchange_numbers.length - numbers.length;
    return h("article", { class: "card" },
      h("p", {}, h("strong", { class: CLASSES[one.severity] }, one.severity), " ", h("code", {}, one.kind), one.credits > 0 && h("span", { class: "bad" }, ` ${one.credits} credits lost`)),
      h("p", { class: "wrap" }, one.summary), h("p", {}, h("strong", {}, "Impact: "), one.impact), h("p", {}, h("strong", {}, "Instead: "), one.suggestion),
      h("p", {}, "Requests: ", numbers.map((number) => [h("a", { href: href("requests", { exchange: number }), "data-key": `${one.kind} ${number}` }, `#${number}`), " "]), more > 0 && `and ${more} more`));
  }
  // rows: {name: {column: count}}
  function coverage(title, rows, columns, extra = []) {
    const cells = columns.map((column) => ({ label: column, value: ([, counts]) => met(counts[column]) }));
    return table([{ label: title, value: ([name]) => h("code", {}, name) }, ...extra, ...cells], Object.entries(rows), title);
  }
  const columns = (rows) => [...new Set(Object.values(rows).flatMap(Object.keys))];
  async function load() {
    const report = await api("GET", "/report");
    replace(state, facts({ Requests: formatNumber(report.exchanges), Analysed: `the last ${formatNumber(report.stored)}`, Coverage: `${report.coverage.covered} of ${report.coverage.total} parts of the contract` }));
    const nothing = report.exchanges ? emptyState("The client does nothing wrong in these requests. Make it harder: arm a fault in the view Faults, and let it try again.")
      : await firstImage(context, "No request yet. Point your client at this hub, or begin here:", { prompt: "A lighthouse at dusk" });
    replace(findings, report.findings.length ? report.findings.map(finding) : nothing);
    const { statuses, outcomes, undocumented, operations } = report.coverage;
    const extra = Object.entries(undocumented).map(([name, count]) => [name, { Met: count }]);
    replace(matrix,
      coverage("Operations and statuses", statuses, columns(statuses).sort(), [{ label: "Requests", class: "number", value: ([name]) => operations[name] }]),
      coverage("Error codes and states", outcomes, columns(outcomes)),
      extra.length > 0 && coverage("Not in the contract", Object.fromEntries(extra), ["Met"]),
      h("p", { class: "hint" }, "· is not documented."));
  }
  await keepLoaded(context, load, (batch) => batch.exchanges.length > 0, PAUSE);
}
