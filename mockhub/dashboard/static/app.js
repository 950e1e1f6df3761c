// The frame of the page: calls of the control plane, live events, the hub switcher, and one view.
//
// The state is in the URL: ?hub=NAME&view=NAME and the parameters of the view. A view is a module
// views/NAME.js that exports `async function mount(root, context)`. `context` has:
//   hub             the name of the hub
//   publicUrl       the address of the hub, as clients use it
//   api(method, path, body)  call the control plane of the hub. Returns the parsed JSON (or text),
//                   and throws an Error with the server's message.
//   control(method, path, body)  the same for a path that is not of a hub, such as "/clauses"
//   onEvents(callback)  call it with each batch of events, which control.yaml describes at `stream_events`.
//                   `cleared` is also true if the hub is another one than before.
//   params          URLSearchParams of the view's own state
//   target          the URL of the service behind a proxy; null for a mock
//   can(operation)  whether the server allows an operation of the control plane that changes something
//   setParams({name: value})  change them; an empty value removes one
//   ctl(words)      the command of `mockhub ctl` for this server and hub
//   href(view, params)  the address of another view of this hub
//   isLive()        whether the page is connected
//   showError(error), toast(text, button)
import { emptyState, h } from "./dom.js";

const VIEWS = {
  requests: "Requests", gallery: "Gallery", generations: "Generations", accounts: "Accounts",
  faults: "Faults", clock: "Clock", report: "Report", contract: "Contract",
};
const HIDDEN_LIMIT = 60_000; // a browser opens few connections to a server: free that of a hidden tab
const RETRY_DELAY = 1000;
const CTL_URL = "http://127.0.0.1:8080"; // the default of mockhub ctl --url
const byId = (id) => document.getElementById(id);
const params = new URLSearchParams(location.search);
const hub = params.get("hub") || "default";
const view = params.get("view") in VIEWS ? params.get("view") : "requests";
params.delete("hub");
params.delete("view");
const subscribers = [];
let connection = null; // an AbortController
let unseen = 0;
let lastStatus = null;
let journal = null; // its version, which differs if the hub is another one than before
let isMissing = false; // there was no such hub when the view was opened
let notice = null; // says that there is no hub

// -- the control plane -------------------------------------------------------------------------

let tokenRequest = null;

async function request(method, path, body, signal) {
  const token = sessionStorage.getItem("mockhub.token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/_mockhub${path}`, { method, headers, signal, body: JSON.stringify(body) });
  if (response.status === 401) {
    tokenRequest ??= askForToken(token !== null).finally(() => { tokenRequest = null; });
    await tokenRequest;
    return request(method, path, body, signal);
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  throw Object.assign(new Error(content.error?.message ?? `${method} ${path}: ${response.status}`), { status: response.status });
}

async function control(method, path, body) {
  const response = await request(method, path, body);
  return response.headers.get("content-type")?.startsWith("application/json") ? response.json() : response.text();
}

// Ask once; the token stays in this tab's session storage.
function askForToken(rejected) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", autocomplete: "off", required: true, id: "token" });
    const dialog = h("dialog", { "aria-labelledby": "token-title", oncancel: (event) => event.preventDefault() },
      h("form", { onsubmit(event) {
        event.preventDefault();
        sessionStorage.setItem("mockhub.token", input.value);
        dialog.remove();
        resolve();
      } },
      h("h2", { id: "token-title" }, "Control token"),
      h("p", {}, rejected ? "The server rejected the token. " : "", "Enter the token that the server was started with (--control-token)."),
      h("label", { htmlFor: "token" }, "Token"), input, h("button", { type: "submit" }, "Continue")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// -- live events -------------------------------------------------------------------------------

// EventSource cannot send the token, so the stream is read by hand.
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (buffer + part.value).split("\n\n");
    buffer = events.pop();
    for (const event of events) if (event.startsWith("data: ")) yield JSON.parse(event.slice(6));
  }
}

async function watch() {
  for (let since = 0; ;) {
    connection = new AbortController();
    try {
      const { body } = await request("GET", `/hubs/${encodeURIComponent(hub)}/events?since=${since}`, undefined, connection.signal);
      if (isMissing) return location.reload();
      notice?.remove();
      setConnection("live");
      for await (const batch of readEvents(body)) {
        const isFirst = journal === null;
        batch.cleared ||= !isFirst && batch.journal !== journal; // meanwhile, the server was restarted or the hub replaced
        journal = batch.journal;
        deliver(batch, isFirst);
        since = batch.total;
      }
      setConnection(document.hidden ? "paused" : "offline");
    } catch (error) {
      if (error.status === 404 && await isUnknown()) showAbsence();
      else setConnection(document.hidden ? "paused" : "offline");
    }
    await new Promise((resolve) => (document.hidden ? document.addEventListener("visibilitychange", resolve, { once: true })
      : setTimeout(resolve, RETRY_DELAY)));
  }
}

// A 404 may also be of a server without a control plane.
const isUnknown = () => loadHubs().then((names) => !names.includes(hub), () => false);

function showAbsence() {
  const state = journal === null ? "missing" : "deleted"; // the view has said what is missing
  if (state === "deleted" && byId("connection").dataset.state !== state) {
    notice = showError(new Error(`The hub ${JSON.stringify(hub)} was deleted. The page shows its last state, and connects again once there is a hub of this name.`));
  }
  setConnection(state);
}

let hiddenTimer = null;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(() => connection.abort(), HIDDEN_LIMIT);
  else { unseen = 0; showState(); }
});

function deliver(batch, isFirst) {
  if (!isFirst) unseen = document.hidden ? unseen + batch.exchanges.length + batch.left_out : 0;
  lastStatus = batch.exchanges.at(-1)?.status ?? (batch.cleared ? null : lastStatus);
  showState();
  for (const callback of subscribers) {
    try { callback(batch); } catch (error) { showError(error); }
  }
}

// -- state, title and messages -----------------------------------------------------------------

function href(hub, view, params = {}) {
  const search = new URLSearchParams({ hub, view });
  for (const [name, value] of Object.entries(params)) if (value !== "" && value != null) search.set(name, value);
  return `/_mockhub/?${search}`;
}

function setConnection(state) {
  byId("connection").textContent = byId("connection").dataset.state = state;
  showState();
}

function showState() {
  const { state } = byId("connection").dataset;
  const prefix = state === "live" || state === "connecting" ? "" : `${state} · `;
  document.title = `${prefix}${unseen ? `(${unseen}) ` : ""}${VIEWS[view]} · ${hub} · mockhub`;
  const failed = lastStatus !== null && (lastStatus >= 400 || lastStatus === 0);
  const color = state !== "live" ? "#888" : failed ? "#c62828" : "#2e7d32";
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${color}"/></svg>`;
  byId("favicon").href = `data:image/svg+xml,${encodeURIComponent(icon)}`;
}

function showError(error) {
  const close = h("button", { type: "button", class: "quiet", onclick: () => box.remove() }, "Close");
  const box = h("p", { class: "error" }, error.message, " ", close);
  byId("messages").replaceChildren(box);
  return box;
}

let toastTimer = null;
function toast(text, button = "") {
  clearTimeout(toastTimer);
  byId("toast").replaceChildren(h("p", {}, text, " ", button));
  toastTimer = setTimeout(() => byId("toast").replaceChildren(), button ? 10_000 : 4000);
}

// -- the view ----------------------------------------------------------------------------------

async function show() {
  byId("nav").replaceChildren(...Object.entries(VIEWS).map(([name, label]) =>
    h("a", { href: href(hub, name), "aria-current": name === view ? "page" : null }, label)));
  byId("nav").querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  const root = h("section", { class: `view ${view}`, "aria-label": VIEWS[view] });
  byId("main").replaceChildren(root);
  const context = {
    hub, control, params, showError, toast, isLive: () => byId("connection").dataset.state === "live",
    publicUrl: document.body.dataset.publicUrl + (hub === "default" ? "" : `/hubs/${hub}`),
    api: (method, path, body) => control(method, `/hubs/${encodeURIComponent(hub)}${path}`, body),
    href: (name, values) => href(hub, name, values),
    ctl: (words) => `mockhub ctl ${location.origin === CTL_URL ? "" : `--url ${location.origin} `}--hub ${hub} ${words}`,
    onEvents: (callback) => subscribers.push(callback),
    setParams(values) {
      for (const [name, value] of Object.entries(values)) params.set(name, value ?? "");
      history.replaceState(null, "", href(hub, view, Object.fromEntries(params)));
    },
  };
  try {
    const [module, server] = await Promise.all([import(`./views/${view}.js`), control("GET", "/server"), context.api("GET", "/clock")]);
    Object.assign(context, { target: server.target, can: (operation) => server.changes.includes(operation) });
    byId("target").hidden = !server.target;
    byId("target").textContent = `Proxy of ${server.target}`;
    await module.mount(root, context);
  } catch (error) {
    showError(error);
    isMissing = error.status === 404;
    if (isMissing) root.replaceChildren(emptyState(["Choose another hub above, or go to the hub ", h("a", { href: href("default", view) }, "default"), "."]));
  }
}

// -- the hub switcher --------------------------------------------------------------------------

async function loadHubs() {
  const { hubs } = await control("GET", "/hubs");
  byId("hubs").replaceChildren(...hubs.map((one) => h("option", { value: one.name }, `${one.exchanges} requests`)));
  return hubs.map((one) => one.name);
}

byId("hub").value = hub;
byId("hub").addEventListener("focus", (event) => { event.target.select(); loadHubs().catch(showError); });
byId("hub").addEventListener("change", async (event) => {
  const name = event.target.value.trim();
  const names = await loadHubs();
  const found = names.includes(name) ? name : names.find((one) => name && one.includes(name));
  if (found) location.assign(href(found, view));
  else { showError(new Error(`There is no hub ${JSON.stringify(name)}.`)); event.target.value = hub; }
});

watch();
show();
