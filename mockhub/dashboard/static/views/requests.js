// The requests of a hub: a live list, newest first, and one exchange in detail.
//
// Only the rows in sight are in the document, so that 100,000 exchanges do not slow the browser.
import { emptyState, formatCredits, formatNumber, formatTime, h, replace } from "../dom.js";
import { renderExchange } from "../exchange.js";
import { readJournal } from "../journal.js";
import { action, firstImage } from "../live.js";

const MAX_ROWS = 100_000;
const ROW_HEIGHT = 30; // pixels, as in style.css
const REFILL_DELAY = 2000; // milliseconds without an event that left exchanges out
const OPERATIONS = ["list_models", "get_credits", "create_generation", "get_generation", "get_image"];

export async function mount(root, context) {
  const { api, hub, params, setParams, onEvents, showError, toast } = context;
  let rows = new Map(); // summaries by number, oldest first
  let newest = 0; // number
  let shown = []; // numbers, newest first, pinned ones on top
  let leftOut = 0; // exchanges that were too fast to be sent
  let paused = false;
  let loaded = false; // whether the rows are the exchanges of a file
  let selected = Number(params.get("exchange")) || 0;
  let scheduled = false;
  let refill = null;
  const pins = new Set((params.get("pins") ?? "").split(",").filter(Boolean).map(Number));

  // -- the list ------------------------------------------------------------------------------

  const filters = {
    q: h("input", { type: "search", placeholder: "Filter: path, reason, code, fault, account…", "aria-label": "Filter" }),
    status: select("Any status", ["2xx", "4xx", "5xx", "no response"]),
    operation: select("Any operation", OPERATIONS),
  };
  function select(label, options) {
    return h("select", { "aria-label": label }, h("option", { value: "" }, label), options.map((one) => h("option", {}, one)));
  }
  for (const [name, control] of Object.entries(filters)) {
    control.value = params.get(name) ?? "";
    control.addEventListener("input", () => { setParams({ [name]: control.value }); list.scrollTop = 0; refresh(); });
  }
  const button = (label, onclick, attributes) => h("button", { type: "button", onclick, ...attributes }, label);
  const count = h("span", { class: "muted count", role: "status" });
  const allButton = button("Show all", () => {
    for (const control of Object.values(filters)) control.value = "";
    setParams({ q: "", status: "", operation: "", since: "" });
    refresh();
  }, { hidden: true });
  const pauseButton = button("Pause", () => {
    paused = !paused;
    pauseButton.setAttribute("aria-pressed", String(paused));
    pauseButton.textContent = paused ? "Resume" : "Pause";
    refresh();
  }, { "aria-pressed": "false" });
  const file = h("input", { type: "file", accept: ".json,.har", class: "offscreen", tabIndex: -1, "aria-label": "Journal file", onchange: load });
  const canvas = h("div", { class: "rows" });
  const list = h("div", { class: "list", tabIndex: 0, role: "listbox", "aria-label": "Requests, newest first", onscroll: schedule }, canvas);
  const head = h("div", { class: "head", "aria-hidden": "true" }, [["No.", "number"], ["Time", "time"], ["Method"], ["Path"], ["Status"],
    ["Credits", "number"], ["Duration", "number ms"], ["Faults", "notes"]].map(([label, name = ""]) => h("span", { class: name }, label)));
  const detail = h("div", { class: "detail", hidden: true });
  const empty = h("div");
  const banner = h("p", { class: "card", hidden: true });
  root.append(
    h("div", { class: "toolbar" }, Object.values(filters), count, allButton, h("span", { class: "spacer" }), pauseButton,
      button("Clear", clear, { title: "Key: c" }), action(context, "Download", () => download("json")),
      action(context, "HAR", () => download("har")), button("Load…", () => file.click()), file),
    banner, h("div", { class: "split" }, h("div", { class: "side" }, head, list, empty), detail));

  // Return a function that says whether a row passes the filters.
  function filter() {
    const [q, status, operation] = Object.values(filters).map((control) => control.value);
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const since = loaded ? 0 : Number(params.get("since"));
    return (row) => (row.number > since || pins.has(row.number))
      && (!status || (status === "no response" ? row.status === 0 : String(row.status)[0] === status[0]))
      && (!operation || row.operation === operation) && words.every((word) => textOf(row).includes(word));
  }
  function textOf(row) {
    row.text ??= [row.number, row.method, row.target, row.status, row.code, row.reason, row.key, row.account, row.generation, row.state,
      ...row.faults, row.client_disconnected ? "client gone" : ""].join(" ").toLowerCase();
    return row.text;
  }
  function refresh() {
    if (!paused) {
      const numbers = [...rows.values()].filter(filter()).map((row) => row.number).reverse();
      shown = pins.size ? [...numbers.filter((one) => pins.has(one)), ...numbers.filter((one) => !pins.has(one))] : numbers;
    }
    count.textContent = `${formatNumber(shown.length)} of ${formatNumber(rows.size)}`
      + (leftOut ? `, ${formatNumber(leftOut)} left out` : "") + (paused ? ", paused" : "");
    allButton.hidden = paused || shown.length === rows.size;
    head.hidden = list.hidden = shown.length === 0;
    if (shown.length) replace(empty);
    else if (rows.size) replace(empty, emptyState("No request matches the filter, or the list was cleared."));
    else if (!empty.firstChild) firstImage(context, "No request yet. Make an image, and it appears here:", { prompt: "A lighthouse at dusk", size: "1024x1024" })
      .then((node) => rows.size || replace(empty, node), showError);
    draw();
  }
  function schedule() {
    if (!scheduled) requestAnimationFrame(() => { scheduled = false; draw(); });
    scheduled = true;
  }
  function draw() {
    canvas.style.height = `${shown.length * ROW_HEIGHT}px`;
    const first = Math.max(Math.floor(list.scrollTop / ROW_HEIGHT) - 5, 0);
    const visible = shown.slice(first, first + Math.ceil(list.clientHeight / ROW_HEIGHT) + 10);
    replace(canvas, visible.map((number, index) => rows.has(number) && renderRow(rows.get(number), first + index)));
    list.setAttribute("aria-activedescendant", visible.includes(selected) ? `row-${selected}` : "");
  }
  function renderRow(row, index) {
    const kind = row.status === 0 || row.status >= 500 ? "bad" : row.status >= 400 ? "warn" : "good";
    const notes = [...row.faults, ...(row.client_disconnected ? ["client gone"] : [])];
    return h("div", { class: "row", id: `row-${row.number}`, role: "option", "aria-selected": String(row.number === selected),
      "aria-posinset": index + 1, "aria-setsize": shown.length, style: `top: ${index * ROW_HEIGHT}px`, onclick: () => open(row.number) },
    h("span", { class: "muted number" }, pins.has(row.number) && "📌 ", row.number),
    h("span", { class: "muted time" }, formatTime(row.timestamp)),
    h("span", { class: "mono" }, row.method),
    h("span", { class: "mono target", title: row.target }, row.target.replace(/^\/api\/v1(?=\/)/, "")),
    h("span", { class: kind }, row.status || "none", " ", row.code ?? row.state ?? ""),
    h("span", { class: `number ${row.credits < 0 ? "money" : ""}` }, row.credits !== 0 && formatCredits(row.credits)),
    h("span", { class: "number muted ms" }, `${row.milliseconds.toFixed(1)} ms`),
    h("span", { class: "notes" }, notes.map((one) => h("span", { class: "tag warn" }, one))));
  }
  function add(summaries) {
    for (const row of summaries) {
      rows.set(row.number, row);
      newest = Math.max(newest, row.number);
    }
    for (const number of rows.keys()) {
      if (rows.size <= MAX_ROWS) break;
      rows.delete(number);
    }
  }
  async function read(limit) {
    const { exchanges } = await api("GET", `/journal?format=summary&limit=${limit}`);
    if (loaded) return;
    add(exchanges);
    rows = new Map([...rows].sort(([a], [b]) => a - b));
    refresh();
  }
  // The exchanges are void, and so is what refers to their numbers.
  function forget() {
    setParams({ since: "", pins: "" });
    pins.clear();
    newest = 0;
    if (loaded) return;
    rows.clear();
    shown = [];
    leftOut = 0;
    replace(empty);
    if (!detail.hidden) close();
    read(1000).catch(showError);
  }
  onEvents((batch) => {
    if (batch.cleared) forget();
    if (loaded) return;
    if (batch.left_out && rows.size) {
      leftOut += batch.left_out;
      clearTimeout(refill);
      refill = setTimeout(() => read(200).catch(showError), REFILL_DELAY);
    }
    add(batch.exchanges);
    if (batch.changed.includes("accounts") && !batch.exchanges.length) read(200).catch(showError); // a refund
    else refresh();
  });

  // -- actions -------------------------------------------------------------------------------

  // Clearing hides what there is; the journal keeps it, so that it can be undone.
  function clear() {
    const before = params.get("since");
    setParams({ since: newest });
    close();
    refresh();
    toast("The list is cleared.", button("Undo", () => { setParams({ since: before }); refresh(); }));
  }
  function togglePin(number) {
    pins[pins.has(number) ? "delete" : "add"](number);
    setParams({ pins: [...pins].join(",") });
    refresh();
  }
  async function download(format) {
    const content = await api("GET", `/journal?limit=1000&format=${format}`);
    const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
    h("a", { href: url, download: format === "har" ? `${hub}.har` : `${hub}-journal.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
  async function load() {
    try {
      const [{ name }] = file.files;
      rows = new Map(readJournal(JSON.parse(await file.files[0].text())).map((one) => [one.number, one]));
      loaded = true;
      leftOut = 0;
      banner.hidden = false;
      replace(banner, `${name}: ${rows.size} exchanges of a file. `, button("Back to the hub", () => {
        loaded = false;
        rows = new Map();
        banner.hidden = true;
        close();
        read(1000).catch(showError);
      }));
      close();
      refresh();
    } catch (error) {
      showError(new Error(`The file is neither a journal nor a HAR archive: ${error.message}`));
    }
    file.value = "";
  }
  async function resend(number) {
    const { exchange } = await api("POST", "/requests", { exchange: number });
    await open(exchange.number);
    return `Sent again as ${exchange.number}: ${exchange.status || "no response"}`;
  }
  function move(step) {
    if (!shown.length) return;
    const next = Math.min(Math.max(shown.indexOf(selected) + step, 0), shown.length - 1);
    list.scrollTop = Math.min(list.scrollTop, next * ROW_HEIGHT);
    list.scrollTop = Math.max(list.scrollTop, (next + 1) * ROW_HEIGHT - list.clientHeight);
    selected = shown[next];
    draw();
    if (!detail.hidden) open(selected);
  }
  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), Escape: close, c: clear,
    Enter: () => selected && open(selected), p: () => selected && togglePin(selected), "/": () => filters.q.focus(),
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
    if (event.key === "Enter" && target.closest("button, a, summary")) return;
    event.preventDefault();
    keys[event.key]();
  });

  // -- one exchange --------------------------------------------------------------------------

  function close() {
    detail.hidden = true;
    replace(detail);
    root.classList.remove("open");
    setParams({ exchange: "" });
  }
  async function open(number) {
    selected = number;
    setParams({ exchange: number });
    draw();
    try {
      const found = loaded ? { exchange: rows.get(number) } : await api("GET", `/journal/${number}`);
      if (!loaded && !rows.has(number)) add([found.exchange]);
      const sections = await renderExchange(loaded ? { ...context, api: null } : context, found);
      if (selected !== number) return;
      replace(detail, h("div", { class: "toolbar" },
        h("h2", {}, `${number}: ${found.exchange.method} → ${found.exchange.status || "no response"} ${found.exchange.code ?? ""}`),
        h("span", { class: "spacer" }), !loaded && context.can("send_request") && action(context, "Resend", () => resend(number), { class: "primary" }),
        button(pins.has(number) ? "Unpin" : "Pin", ({ target }) => { togglePin(number); target.textContent = pins.has(number) ? "Unpin" : "Pin"; }),
        button("Close", () => { close(); list.focus(); }, { "aria-label": "Close the exchange" })), sections);
      detail.hidden = false;
      root.classList.add("open");
      draw();
    } catch (error) {
      showError(error);
    }
  }

  addEventListener("resize", schedule);
  await read(1000);
  if (selected) await open(selected);
}
