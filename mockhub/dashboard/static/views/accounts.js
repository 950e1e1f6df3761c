// The accounts of a hub: balance, ledger, lots and keys.
import { code, emptyState, facts, field, formatCredits, formatDate, formatNumber, formatTime, h, replace, table } from "../dom.js";
import { action, changed, form, keepLoaded, pager } from "../live.js";
import { plot } from "../plot.js";

export async function mount(root, context) {
  const { api, can, href, params, setParams, target } = context;
  const account = h("select", { "aria-label": "Account", onchange() { setParams({ account: account.value }); replace(created); context.reload(); } });
  const [state, chart, lots, keys, ledger, created] = Array.from({ length: 6 }, () => h("div"));
  const pages = pager(context, 200);
  const input = (label, attributes) => field(label, h("input", attributes));
  const mine = () => `/accounts/${encodeURIComponent(account.value)}`;
  const optional = (name, { value }) => (value ? { [name]: value } : {});
  root.append(h("h2", {}, "Accounts"), h("div", { class: "toolbar" }, account), state, chart,
    h("div", { class: "columns" },
      !target && h("section", {}, h("h3", {}, "Lots"), lots,
        can("grant_credits") && form(context, "Grant credits", async ({ credits, expires_in }) => {
          await api("POST", `${mine()}/grants`, { credits: Number(credits.value), ...optional("expires_in", expires_in) });
          return `${credits.value} credits granted.`;
        }, input("Credits", { name: "credits", type: "number", min: 1, value: 100, required: true }),
        input("expire after", { name: "expires_in", placeholder: "never, or 30d", size: 11 }))),
      h("section", {}, h("h3", {}, "API keys"), keys,
        can("create_key") && form(context, "Create a key", async ({ key_name, key_expires_in }) => {
          const key = await api("POST", "/keys", { account: account.value, ...optional("name", key_name), ...optional("expires_in", key_expires_in) });
          replace(created, h("p", { role: "status" }, `The key ${key.name}, which is shown only now:`), code(key.key, "New key"));
        }, input("Name", { name: "key_name", size: 12, maxLength: 64 }), input("expires after", { name: "key_expires_in", placeholder: "never, or 1h", size: 11 })), created)),
    h("h3", {}, "Ledger"), ledger, pages.node);

  const lotColumns = [
    { label: "Lot", value: (one) => `#${one.id}` },
    { label: "Remaining", class: "number", value: (one) => formatNumber(one.remaining) },
    { label: "Expires", value: (one) => formatDate(one.expires_at) },
  ];
  const entryColumns = [
    { label: "#", class: "number", value: (one) => one.number },
    { label: "Time", value: (one) => formatTime(one.created_at) },
    { label: "Kind", value: (one) => one.kind },
    { label: "Credits", class: "number", value: (one) => h("span", { class: one.credits < 0 ? "bad" : "good" }, formatCredits(one.credits)) },
    { label: "Balance", class: "number", value: (one) => formatNumber(one.balance) },
    !target && { label: "Lot", value: (one) => `#${one.lot}` },
    { label: "Generation", value: (one) => one.generation && h("a", { href: href("requests", { q: one.generation }) }, h("code", {}, one.generation)) },
  ].filter(Boolean);
  const change = (key, label, method, body) => action(context, label, async () => {
    await api(method, `/keys/${key.id}`, body);
    return `${key.name}: ${label.toLowerCase()}.`;
  }, { "data-key": `${label} ${key.id}`, "aria-label": `${label}: ${key.name}` });
  const keyColumns = [
    { label: "Name", class: "text", value: (one) => [one.name, h("div", { class: "muted" }, h("code", {}, one.id))] },
    { label: "Status", value: (one) => h("span", { class: one.status === "valid" ? "good" : "bad" }, one.status) },
    !target && { label: "Expires", value: (one) => formatDate(one.expires_at) },
    can("revoke_key") && { label: "Change", value: (one) => one.status !== "revoked" && h("span", { class: "buttons" },
      one.status === "valid" ? change(one, "Expire now", "PATCH", { expires_in: "0s" }) : change(one, "Never expire", "PATCH", { expires_at: null }),
      change(one, "Revoke", "DELETE")) },
  ].filter(Boolean);
  async function load() {
    const { accounts } = await api("GET", "/accounts");
    if (!accounts.length) {
      replace(state, emptyState("This hub has no account.", context.ctl("show")));
      for (const node of [account, chart, lots, keys, ledger]) replace(node);
      return;
    }
    const one = accounts.find(({ id }) => id === (account.value || params.get("account"))) ?? accounts[0];
    replace(account, accounts.map(({ id, credits }) => h("option", { value: id }, `${id.slice(0, 60)} (${formatNumber(credits)})`)));
    account.value = one.id;
    const [listed, entries] = await Promise.all([api("GET", "/keys"), pages.read(`${mine()}/entries?`, "entries", (entry) => entry.number)]);
    replace(state, facts({
      Balance: h("strong", {}, `${formatNumber(one.credits)} credits`), Type: one.account_type, "Next expiration": target ? null : one.next_expiration ?? "never",
      Totals: Object.entries(one.credit_totals).map(([kind, sum]) => `${kind} ${formatCredits(sum)}`).join(", "),
    }));
    replace(chart, entries.length > 0 && plot(entries.toReversed()));
    replace(lots, one.lots.length ? table(lotColumns, one.lots, "Lots") : emptyState("No credits. Grant some:"));
    const own = listed.keys.filter((key) => key.account === one.id);
    replace(keys, own.length ? table(keyColumns, own, "API keys") : emptyState("This account has no key."));
    replace(ledger, entries.length ? table(entryColumns, entries, "Ledger") : emptyState("The ledger is empty. A grant is its first entry."));
  }
  await keepLoaded(context, load, changed("accounts", "generations", "clock"));
}
