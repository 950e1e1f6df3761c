// The balance of an account after each ledger entry, as a step line.
import { formatCredits, h, svg } from "./dom.js";

export function plot(entries) {
  const before = entries[0].balance - entries[0].credits;
  const top = Math.max(before, ...entries.map((one) => one.balance), 1);
  const y = (balance) => 100 - (balance / top) * 96;
  const width = entries.length + 1;
  const line = entries.reduce((path, one, index) => `${path}H${index + 1}V${y(one.balance)}`, `M0 ${y(before)}`);
  const steps = (sign) => entries.map((one, index) => (Math.sign(one.credits) === sign ? `M${index + 1} ${y(one.balance - one.credits)}V${y(one.balance)}` : "")).join("");
  const describe = (one) => `#${one.number} ${one.kind} ${formatCredits(one.credits)}, balance ${one.balance.toLocaleString("en")}, ${one.created_at}${one.generation ? `, ${one.generation}` : ""}`;
  const cursor = svg("path", { class: "cursor", d: "" });
  const tip = h("p", { class: "tip", role: "status" });
  const chart = svg("svg", { viewBox: `0 0 ${width} 104`, preserveAspectRatio: "none", tabindex: 0, role: "slider",
    "aria-label": "Balance after each entry", "aria-valuemin": 1, "aria-valuemax": entries.length, onpointermove: hover, onkeydown: onKey },
  svg("path", { class: "line", d: `${line}H${width}` }), svg("path", { class: "up", d: steps(1) }), svg("path", { class: "down", d: steps(-1) }), cursor);
  let selected = entries.length - 1;
  function select(index) {
    selected = Math.max(0, Math.min(entries.length - 1, index));
    cursor.setAttribute("d", `M${selected + 1} 0V104`);
    tip.textContent = describe(entries[selected]);
    chart.setAttribute("aria-valuenow", selected + 1);
    chart.setAttribute("aria-valuetext", tip.textContent);
  }
  function hover(event) {
    const { left, width: pixels } = chart.getBoundingClientRect();
    select(Math.round(((event.clientX - left) / pixels) * width) - 1);
  }
  function onKey(event) {
    const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    select(selected + step);
  }
  select(selected);
  chart.dataset.key = "plot";
  return h("figure", { class: "card plot" }, h("p", { class: "muted" }, `${top.toLocaleString("en")} credits`), chart, h("p", { class: "muted" }, "0"),
    tip, h("figcaption", { class: "hint" }, "Charges and expiries lead down, grants and refunds up. Point at a step, or use the arrow keys; the table below has the same entries."));
}
