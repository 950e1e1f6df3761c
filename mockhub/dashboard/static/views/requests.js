// The requests of a hub: a live list, newest first, and one exchange in detail.
//
// Only the rows in sight are in the document, so that 100,000 exchanges do not slow the browser.
import { code, copyText, emptyState, formatCredits, formatTime, h, pretty, table } from "../dom.js";
import { facts } from "../live.js";
import { asCurl, asFetch, asHttpx, readJournal } from "../exchanges.js";

const MAX_ROWS = 100_000;
const FILTERS = ["q", "status", "operation", "fault", "account"];
const OPERATIONS = ["list_models", "get_credits", "create_generation", "get_generation", "get_image"];

export async function mount(root, context) {
  const { api, hub, params, setParams, onEvents, showError, toast } = context;
  const path = `/hubs/${encodeURIComponent(hub)}`;
  let rows = new Map(); // by number
  let shown = []; // numbers, newest first, pinned ones on top
  let left = 0; // exchanges that were too fast to be sent
  let waiting = []; // batches while paused
  let paused = false;
  let loaded = null; // the journal of a file: {name, details}
  let selected = Number(params.get("exchange")) || 0;
  let scheduled = false;
  let keys = [];
  let refill = null;
  const pins = new Set((params.get("pins") ?? "").split(",").filter(Boolean).map(Number));

  // -- the list ------------------------------------------------------------------------------

  const field = (name, control) => {
    control.value = params.get(name) ?? "";
    control.addEventListener("input", () => { setParams({ [name]: control.value }); list.scrollTop = 0; refresh(); });
    return control;
  };
  const select = (name, label, options) => field(name, h("select", { "aria-label": label },
    h("option", { value: "" }, label), options.map((one) => h("option", { value: one }, one))));
  const search = field("q", h("input", { type: "search", placeholder: "Filter: path, reason, code, key…", "aria-label": "Filter" }));
  const count = h("span", { class: "muted count", role: "status" });
  const pauseButton = h("button", { type: "button", "aria-pressed": "false", onclick: togglePause }, "Pause");
  const clearButton = h("button", { type: "button", onclick: clear, title: "Key: c" }, "Clear");
  const file = h("input", { type: "file", accept: ".json,.har", class: "offscreen", tabIndex: -1, "aria-label": "Journal file", onchange: load });
  const canvas = h("div", { class: "rows" });
  const list = h("div", { class: "list", tabIndex: 0, role: "listbox", "aria-label": "Requests, newest first", onscroll: schedule, onkeydown: onKey }, canvas);
  const head = h("div", { class: "head", "aria-hidden": "true" }, [["No.", "number"], ["Time", "time"], ["Method"], ["Path"], ["Status"],
    ["Credits", "number"], ["Duration", "number ms"], ["Faults", "notes"]].map(([label, name = ""]) => h("span", { class: name }, label)));
  const detail = h("div", { class: "detail", hidden: true });
  const empty = h("div");
  const banner = h("p", { class: "card", hidden: true });
  root.append(
    h("div", { class: "toolbar" }, search,
      select("status", "Any status", ["2xx", "4xx", "5xx", "no response"]),
      select("operation", "Any operation", OPERATIONS),
      field("fault", h("input", { placeholder: "Fault", "aria-label": "Fault", size: 8 })),
      field("account", h("input", { placeholder: "Account", "aria-label": "Account", size: 10 })),
      count, h("span", { class: "spacer" }), pauseButton, clearButton,
      h("button", { type: "button", onclick: () => download("json").catch(showError) }, "Download"),
      h("button", { type: "button", onclick: () => download("har").catch(showError) }, "HAR"),
      h("button", { type: "button", onclick: () => file.click() }, "Load…"), file),
    banner, h("div", { class: "split" }, h("div", { class: "side" }, head, list, empty), detail));

  const rowHeight = 30;
  function matches(row) {
    const [q, status, operation, fault, account] = FILTERS.map((name) => params.get(name) ?? "");
    if (row.number <= Number(params.get("since") ?? 0) && !loaded && !pins.has(row.number)) return false;
    if (status && (status === "no response" ? row.status !== 0 : String(row.status)[0] !== status[0])) return false;
    if (operation && row.operation !== operation) return false;
    if (fault && !row.faults.some((one) => one.includes(fault))) return false;
    if (account && !(row.account ?? "").includes(account)) return false;
    if (!q) return true;
    row.text ??= [row.number, row.method, row.target, row.status, row.code, row.reason, row.key, row.account,
      row.generation, row.state, ...row.faults, row.client_disconnected ? "client gone" : ""].join(" ").toLowerCase();
    return q.toLowerCase().split(/\s+/).every((word) => row.text.includes(word));
  }
  function refresh() {
    const numbers = [...rows.values()].filter(matches).map((row) => row.number).reverse();
    shown = [...numbers.filter((one) => pins.has(one)), ...numbers.filter((one) => !pins.has(one))];
    count.textContent = `${shown.length.toLocaleString("en")} of ${rows.size.toLocaleString("en")}`
      + (left ? `, ${left.toLocaleString("en")} left out` : "") + (waiting.length ? ", paused" : "");
    head.hidden = list.hidden = shown.length === 0;
    empty.replaceChildren(shown.length ? "" : emptyMessage());
    draw();
  }
  function emptyMessage() {
    if (rows.size) return emptyState("No request matches the filter, or the list was cleared.");
    const usable = keys.find((one) => !one.revoked && one.name === "documentation") ?? keys.find((one) => !one.revoked);
    const raw = usable?.name === "documentation" ? `gih_live_${"x".repeat(32)}` : "$MOCKHUB_KEY"; // a published key, no secret
    const body = { model: "gpt-image-2", prompt: "A lighthouse at dusk", size: "1024x1024" };
    const send = () => api("POST", `${path}/requests`, {
      method: "POST", target: "/api/v1/images/generations", key: usable.id, body: JSON.stringify(body) }).catch(showError);
    return h("div", {}, emptyState("No request yet. Make an image, and it appears here:", [
      `curl ${context.publicUrl}/api/v1/images/generations \\`,
      `  -H "Authorization: Bearer ${raw}" -H "Content-Type: application/json" \\`,
      `  -d '${JSON.stringify(body)}'`].join("\n")),
    usable ? h("p", { class: "empty" }, h("button", { type: "button", class: "primary", onclick: send }, "Or send it from here"), ` with the key ${usable.name}`) : null);
  }
  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; draw(); });
  }
  function draw() {
    canvas.style.height = `${shown.length * rowHeight}px`;
    const first = Math.max(Math.floor(list.scrollTop / rowHeight) - 5, 0);
    const visible = shown.slice(first, first + Math.ceil(list.clientHeight / rowHeight) + 10);
    canvas.replaceChildren(...visible.map((number, index) => renderRow(rows.get(number), first + index)));
    list.setAttribute("aria-activedescendant", visible.includes(selected) ? `row-${selected}` : "");
  }
  function renderRow(row, index) {
    const kind = row.status === 0 || row.status >= 500 ? "bad" : row.status >= 400 ? "warn" : "good";
    const notes = [...row.faults, ...(row.client_disconnected ? ["client gone"] : [])];
    return h("div", { class: "row", id: `row-${row.number}`, role: "option", "aria-selected": String(row.number === selected),
      "aria-posinset": index + 1, "aria-setsize": shown.length, style: { top: `${index * rowHeight}px` }, onclick: () => open(row.number) },
      h("span", { class: "muted number" }, pins.has(row.number) ? "📌 " : "", row.number),
      h("span", { class: "muted time" }, formatTime(row.timestamp)),
      h("span", { class: "mono" }, row.method),
      h("span", { class: "mono target", title: row.target }, row.target.replace(/^\/api\/v1(?=\/)/, "")),
      h("span", { class: kind }, row.status || "none", " ", row.code ?? row.state ?? ""),
      h("span", { class: `number ${row.credits < 0 ? "money" : ""}` }, row.credits ? formatCredits(row.credits) : ""),
      h("span", { class: "number muted ms" }, `${row.milliseconds.toFixed(1)} ms`),
      h("span", { class: "notes" }, notes.map((one) => h("span", { class: "tag warn" }, one))));
  }
  function add(summaries) {
    for (const row of summaries) rows.set(row.number, row);
    if (rows.size > MAX_ROWS) {
      for (const number of [...rows.keys()].slice(0, rows.size - MAX_ROWS)) rows.delete(number);
    }
  }
  async function loadAll(limit = 1000) {
    const { exchanges } = await api("GET", `${path}/journal?format=summary&limit=${limit}`);
    if (!loaded) { add(exchanges); rows = new Map([...rows].sort(([a], [b]) => a - b)); refresh(); }
  }
  function onBatch(batch) {
    if (loaded) return;
    if (paused) { waiting.push(batch); if (waiting.length > 1000) waiting.shift(); refresh(); return; }
    if (batch.cleared) { rows = new Map(); left = 0; }
    if (batch.left_out && rows.size) {
      left += batch.left_out;
      clearTimeout(refill);
      refill = setTimeout(() => loadAll(200).catch(showError), 2000); // once it is quiet
    }
    add(batch.exchanges);
    if (batch.changed.includes("accounts") && !batch.exchanges.length) loadAll(200).catch(showError); // a refund
    else refresh();
  }

  // -- actions -------------------------------------------------------------------------------

  function togglePause() {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", String(paused));
    pauseButton.textContent = paused ? "Resume" : "Pause";
    if (!paused) { const batches = waiting; waiting = []; batches.forEach(onBatch); }
  }
  // Clearing hides what there is; the journal keeps it, so that it can be undone.
  function clear() {
    const before = params.get("since") ?? "";
    setParams({ since: Math.max(0, ...rows.keys()) });
    close();
    refresh();
    toast("The list is cleared.", h("button", { type: "button", onclick: () => { setParams({ since: before }); refresh(); } }, "Undo"));
  }
  function togglePin(number) {
    pins[pins.has(number) ? "delete" : "add"](number);
    setParams({ pins: [...pins].join(",") });
    refresh();
  }
  async function download(format) {
    const content = await api("GET", `${path}/journal?limit=1000&format=${format}`);
    const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    h("a", { href: url, download: format === "har" ? `${hub}.har` : `${hub}-journal.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
  async function load() {
    try {
      const details = readJournal(JSON.parse(await file.files[0].text()));
      loaded = { details: new Map(details.map((one) => [one.number, one])) };
      rows = new Map(loaded.details);
      left = 0;
      banner.hidden = false;
      banner.replaceChildren(`${file.files[0].name}: ${rows.size} exchanges of a file. `,
        h("button", { type: "button", onclick: () => { loaded = null; rows = new Map(); banner.hidden = true; close(); loadAll().catch(showError); } }, "Back to the hub"));
      close();
      refresh();
    } catch (error) {
      showError(new Error(`The file is neither a journal nor a HAR archive: ${error.message}`));
    }
    file.value = "";
  }
  async function resend(number) {
    const { exchange } = await api("POST", `${path}/requests`, { exchange: number });
    toast(`Sent again as ${exchange.number}: ${exchange.status || "no response"}`);
    await open(exchange.number);
  }
  function move(step) {
    if (!shown.length) return;
    const index = shown.indexOf(selected);
    const next = Math.min(Math.max(index + step, 0), shown.length - 1);
    list.scrollTop = Math.min(list.scrollTop, next * rowHeight);
    list.scrollTop = Math.max(list.scrollTop, (next + 1) * rowHeight - list.clientHeight);
    selected = shown[next];
    draw();
    if (!detail.hidden) open(selected);
  }
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const actions = {
      j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), Escape: close, c: clear,
      Enter: () => event.target.closest("button, a, summary") ? null : selected && open(selected),
      p: () => selected && togglePin(selected), "/": () => search.focus(), " ": null,
    };
    if (!actions[event.key] || (event.key === "Enter" && event.target.closest("button, a, summary"))) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }
  function close() {
    detail.hidden = true;
    detail.replaceChildren();
    root.classList.remove("open");
    setParams({ exchange: "" });
  }

  // -- one exchange --------------------------------------------------------------------------

  async function open(number) {
    selected = number;
    setParams({ exchange: number });
    draw();
    try {
      const found = loaded ? { exchange: loaded.details.get(number) } : await api("GET", `${path}/journal/${number}`);
      if (selected !== number) return;
      if (!loaded) { rows.set(number, { ...rows.get(number), ...found.exchange, text: null }); draw(); }
      const sections = await renderDetail(found);
      if (selected !== number) return;
      detail.replaceChildren(...sections);
      detail.hidden = false;
      root.classList.add("open");
      draw();
    } catch (error) {
      showError(error);
    }
  }
  async function renderDetail({ exchange: one, curl }) {
    const url = context.publicUrl.replace(/\/hubs\/[^/]+$/, "") + one.target;
    const copy = (label, text) => h("button", { type: "button", onclick: () => copyText(text).then(() => toast(`Copied as ${label}.`)) }, `Copy as ${label}`);
    const values = {
      Reason: one.reason && h("span", { class: "warn" }, one.reason), "API violation": one.spec_violation, Operation: one.operation, Account: one.account, Key: one.key,
      Credits: one.credits ? formatCredits(one.credits) : null, Faults: one.faults.join(", "), State: one.state,
      "Client": one.client_disconnected ? "disconnected before it had the whole response" : null,
      Time: `${one.timestamp}, ${one.milliseconds} ms`,
    };
    return [
      h("div", { class: "toolbar" },
        h("h2", {}, `${one.number}: ${one.method} → ${one.status || "no response"} ${one.code ?? ""}`), h("span", { class: "spacer" }),
        h("button", { type: "button", onclick: () => togglePin(one.number) }, pins.has(one.number) ? "Unpin" : "Pin"),
        h("button", { type: "button", onclick: () => { close(); list.focus(); }, "aria-label": "Close the exchange" }, "Close")),
      h("p", { class: "mono wrap" }, one.target),
      explain(one),
      facts(values),
      h("div", { class: "toolbar" }, copy("curl", curl ?? asCurl(one, url)), copy("httpx", asHttpx(one, url)), copy("fetch", asFetch(one, url)),
        loaded ? null : h("button", { type: "button", class: "primary", onclick: () => resend(one.number).catch(showError) }, "Resend")),
      await renderNearMisses(one), await renderGeneration(one),
      message("Request", one.request), message("Response", one.response),
    ].filter(Boolean);
  }
  // The case that a paying client must survive, in one sentence.
  function explain(one) {
    if (one.credits >= 0) return null;
    const paid = `${-one.credits} credits were paid for generation ${one.generation}`;
    if (one.status !== 0 && one.status < 400 && !one.client_disconnected && !one.faults.some((name) => name.startsWith("truncate"))) return null;
    const why = one.faults.length ? `the fault ${one.faults.join(", ")} acted after the charge` : "the client left after the charge";
    return h("p", { class: "card money" }, `${paid}, but the client did not get its images: ${why}. `
      + "A client that only sends the request again pays twice.");
  }
  // The faults that are armed, and why they did not fire in this exchange.
  async function renderNearMisses(one) {
    if (loaded) return null;
    const { faults } = await api("GET", `${path}/faults`);
    const missed = faults.filter(({ fault }) => !one.faults.includes(fault));
    const operation = (fault) => fault.operation ?? (fault.prompt || !fault.fault.includes("@") ? "create_generation" : null);
    const why = (fault) => (operation(fault) && operation(fault) !== one.operation ? `only for ${operation(fault)}`
      : !operation(fault) && one.operation === "get_image" ? "not for images, unless it has on=get_image" : fault.prompt && !(one.request.body.text ?? "").includes(fault.prompt) ? `only for prompts with ${JSON.stringify(fault.prompt)}`
        : fault.nth ? `only for request ${fault.nth} of ${fault.evaluated} so far` : fault.p < 1 ? `with a probability of ${fault.p}`
          : "armed later, or another fault or error came first");
    return missed.length ? h("section", {}, h("h3", {}, "Armed, but did not fire"), h("ul", {}, missed.map((fault) => h("li", {}, h("code", {}, fault.fault), `: ${why(fault)}`)))) : null;
  }
  async function renderGeneration(one) {
    if (!one.generation || loaded) return null;
    const [generation, ledger] = await Promise.all([
      api("GET", `${path}/generations/${one.generation}`),
      api("GET", `${path}/accounts/${encodeURIComponent(one.account ?? "")}/entries?generation=${one.generation}`),
    ].map((call) => call.catch(() => null))); // evicted, or the image of another account
    if (!generation) return null;
    const values = { Prompt: generation.prompt, State: generation.status, Images: `${generation.delivered} of ${generation.n}`,
      Billed: `${generation.tier}, ${generation.credits} of ${generation.credits_requested} credits`, Outcome: generation.outcome };
    return h("section", {}, h("h3", {}, "Generation ", h("a", { href: context.href("generations", { generation: generation.id }) }, generation.id)),
      facts(values),
      ledger?.entries.length ? table([
        { label: "Ledger", value: (entry) => entry.kind },
        { label: "Credits", class: "number", value: (entry) => formatCredits(entry.credits) },
        { label: "Lot", class: "number", value: (entry) => entry.lot },
        { label: "Time", value: (entry) => formatTime(entry.created_at) }], ledger.entries, "Ledger entries") : null);
  }
  function message(title, { headers, body }) {
    const names = Object.keys(headers);
    return h("section", {}, h("h3", {}, title),
      names.length ? h("details", {}, h("summary", {}, `${names.length} headers`),
        code(names.map((name) => `${name}: ${headers[name]}`).join("\n"), `${title} headers`)) : null,
      body.text ? code(pretty(body.text), `${title} body`)
        : h("p", { class: "muted" }, body.length ? `${body.length} bytes, sha256 ${body.sha256}` : "No body."));
  }

  const unsubscribe = onEvents(onBatch);
  const globalKey = (event) => { if (event.target === document.body || event.target.closest("main")) onKey(event); };
  document.addEventListener("keydown", globalKey);
  addEventListener("resize", schedule);
  keys = (await api("GET", `${path}/keys`)).keys;
  await loadAll();
  if (selected) await open(selected);
  return () => { unsubscribe(); clearTimeout(refill); document.removeEventListener("keydown", globalKey); removeEventListener("resize", schedule); };
}
