// The frame of the page: views, the hub switcher, calls of the control plane, live events.
//
// The state is in the URL: ?hub=NAME&view=NAME and the parameters of the view.
// A view is a module views/NAME.js that exports `async function mount(root, context)`, which may
// return a function that is called when the view is left. `context` has:
//   hub             the name of the hub
//   publicUrl       the address of the hub, as clients use it
//   api(method, path, body)  call the control plane; path is relative to /_mockhub. Returns the
//                   parsed JSON (or text), and throws an Error with the server's message.
//   onEvents(callback)  call it with each batch of events; returns a function that ends it.
//                   A batch is {exchanges, left_out, total, changed, cleared}: summaries of new
//                   exchanges, oldest first; how many more there were; the number of the last one;
//                   which of "generations", "accounts", "faults" and "clock" changed; whether the
//                   journal was cleared or the hub was reset.
//   params          URLSearchParams of the view's own state
//   setParams({name: value})  change them; an empty value removes one
//   href(view, params)  the address of another view of this hub
//   showError(error), toast(text)
//   publicPath(url)  the path of a public URL, on the page's own origin
import { h } from "./dom.js";

const VIEWS = {
  requests: "Requests", gallery: "Gallery", generations: "Generations", accounts: "Accounts",
  faults: "Faults", clock: "Clock", report: "Report", contract: "Contract",
};
const HIDDEN_LIMIT = 60_000; // a browser opens few connections to a server: free that of a hidden tab
const RETRY_DELAY = 1000;
const main = document.getElementById("main");
const byId = (id) => document.getElementById(id);
let current = { number: 0, unmount: null };
let stream = null;
let subscribers = new Set();
let unseen = 0;
let lastStatus = null;
let connection = "connecting";

// -- the control plane -------------------------------------------------------------------------

let tokenRequest = null;

async function request(method, path, body, signal) {
  const token = sessionStorage.getItem("mockhub.token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/_mockhub${path}`, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 401) {
    tokenRequest ??= askForToken(token !== null).finally(() => { tokenRequest = null; });
    await tokenRequest;
    return request(method, path, body, signal);
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  throw Object.assign(new Error(content.error?.message ?? `${method} ${path}: ${response.status}`),
    { status: response.status });
}

async function api(method, path, body) {
  const response = await request(method, path, body);
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return isJson ? response.json() : response.text();
}

// Ask once; the token stays in this tab's session storage.
function askForToken(rejected) {
  return new Promise((resolve) => {
    const input = h("input", { type: "password", autocomplete: "off", required: true, id: "token" });
    const dialog = h("dialog", { "aria-labelledby": "token-title" },
      h("form", { onsubmit: submit },
        h("h2", { id: "token-title" }, "Control token"),
        h("p", {}, rejected ? "The server rejected the token. " : "",
          "Enter the token that the server was started with (--control-token)."),
        h("label", { htmlFor: "token" }, "Token"), input,
        h("button", { type: "submit" }, "Continue")));
    function submit(event) {
      event.preventDefault();
      sessionStorage.setItem("mockhub.token", input.value);
      dialog.remove();
      resolve();
    }
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(dialog);
    dialog.showModal();
  });
}

// -- live events -------------------------------------------------------------------------------

// EventSource cannot send the token, so the stream is read by hand.
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (buffer + value).split("\n\n");
    buffer = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
    }
  }
}

function watch(hub) {
  let controller = new AbortController();
  let stopped = false;
  let hiddenTimer = null;
  let wake = null; // ends the pause between two connections
  let since = 0;
  const pause = (milliseconds) => new Promise((resolve) => {
    wake = resolve;
    if (milliseconds) setTimeout(resolve, milliseconds);
  });
  async function run() {
    while (!stopped) {
      try {
        controller = new AbortController();
        const path = `/hubs/${encodeURIComponent(hub)}/events?since=${since}`;
        const response = await request("GET", path, undefined, controller.signal);
        setConnection("live");
        for await (const batch of readEvents(response.body)) {
          if (stopped) return;
          deliver(batch, since === 0);
          since = batch.total;
        }
      } catch (error) {
        if (stopped) return;
        if (error.status === 404) { showError(error); setConnection("offline"); return; }
      }
      if (stopped) return;
      setConnection(document.hidden ? "paused" : "offline");
      await pause(document.hidden ? 0 : RETRY_DELAY);
    }
  }
  function onVisibility() {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => controller.abort(), HIDDEN_LIMIT);
    else { wake?.(); unseen = 0; showState(); }
  }
  document.addEventListener("visibilitychange", onVisibility);
  run();
  return {
    hub,
    stop() {
      stopped = true;
      document.removeEventListener("visibilitychange", onVisibility);
      clearTimeout(hiddenTimer);
      controller.abort();
    },
  };
}

function deliver(batch, isFirst) {
  if (!isFirst) unseen = document.hidden ? unseen + batch.exchanges.length + batch.left_out : 0;
  lastStatus = batch.exchanges.at(-1)?.status ?? (batch.cleared ? null : lastStatus);
  showState();
  for (const callback of subscribers) {
    try { callback(batch); } catch (error) { showError(error); }
  }
}

// -- state, title and messages -----------------------------------------------------------------

function readState() {
  const params = new URLSearchParams(location.search);
  const hub = params.get("hub") || "default";
  const view = params.get("view") in VIEWS ? params.get("view") : "requests";
  params.delete("hub");
  params.delete("view");
  return { hub, view, params };
}

function href(hub, view, params = {}) {
  const search = new URLSearchParams({ hub, view });
  for (const [name, value] of Object.entries(params)) if (value !== "" && value != null) search.set(name, value);
  return `/_mockhub/?${search}`;
}

function navigate(url) {
  history.pushState(null, "", url);
  return show();
}

function setConnection(state) {
  connection = state;
  byId("connection").textContent = state;
  byId("connection").dataset.state = state;
  showState();
}

function showState() {
  const { hub, view } = readState();
  const prefix = connection === "live" || connection === "connecting" ? "" : `${connection} · `;
  document.title = `${prefix}${unseen ? `(${unseen}) ` : ""}${VIEWS[view]} · ${hub} · mockhub`;
  const failed = lastStatus !== null && (lastStatus >= 400 || lastStatus === 0);
  const color = connection !== "live" ? "#888" : failed ? "#c62828" : "#2e7d32";
  const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${color}"/></svg>`;
  byId("favicon").href = `data:image/svg+xml,${encodeURIComponent(icon)}`;
}

function showError(error) {
  if (error.name === "AbortError") return;
  const close = h("button", { type: "button", class: "quiet", onclick: () => box.remove() }, "Close");
  const box = h("p", { class: "error" }, error.message ?? String(error), " ", close);
  byId("messages").replaceChildren(box);
}

let toastTimer = null;
function toast(text, action) {
  clearTimeout(toastTimer);
  byId("toast").replaceChildren(h("p", {}, text, " ", action ?? null));
  toastTimer = setTimeout(() => byId("toast").replaceChildren(), action ? 10_000 : 4000);
}

function publicPath(url) {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

// -- views -------------------------------------------------------------------------------------

async function show() {
  const { hub, view, params } = readState();
  const number = current.number + 1;
  current.unmount?.();
  current = { number, unmount: null };
  subscribers = new Set();
  byId("messages").replaceChildren();
  if (stream?.hub !== hub) {
    stream?.stop();
    lastStatus = null;
    setConnection("connecting");
    stream = watch(hub);
  }
  byId("hub").value = hub;
  byId("nav").replaceChildren(...Object.entries(VIEWS).map(([name, label]) =>
    h("a", { href: href(hub, name), "aria-current": name === view ? "page" : null }, label)));
  byId("nav").querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  showState();
  const root = h("section", { class: `view ${view}`, "aria-label": VIEWS[view] });
  main.replaceChildren(root);
  const prefix = hub === "default" ? "" : `/hubs/${hub}`;
  const context = {
    hub, api, params, showError, toast, publicPath,
    publicUrl: document.body.dataset.publicUrl + prefix,
    href: (name, values) => href(hub, name, values),
    onEvents(callback) {
      const mine = current.number === number ? subscribers : new Set();
      mine.add(callback);
      return () => mine.delete(callback);
    },
    setParams(values) {
      for (const [name, value] of Object.entries(values)) {
        if (value === "" || value == null) params.delete(name);
        else params.set(name, value);
      }
      if (current.number !== number) return;
      history.replaceState(null, "", href(hub, view, Object.fromEntries(params)));
      showState();
    },
  };
  try {
    const module = await import(`./views/${view}.js`);
    const unmount = await module.mount(root, context);
    if (current.number === number) current.unmount = unmount;
    else unmount?.();
  } catch (error) {
    if (current.number === number) showError(error);
  }
}

// -- the hub switcher --------------------------------------------------------------------------

async function loadHubs() {
  const { hubs } = await api("GET", "/hubs");
  byId("hubs").replaceChildren(...hubs.map((one) => h("option", { value: one.name }, `${one.exchanges} requests`)));
  return hubs.map((one) => one.name);
}

byId("hub").addEventListener("focus", (event) => { event.target.select(); loadHubs().catch(showError); });
byId("hub").addEventListener("change", async (event) => {
  const name = event.target.value.trim();
  const names = await loadHubs();
  const found = names.includes(name) ? name : names.find((one) => name && one.includes(name));
  if (found) await navigate(href(found, readState().view));
  else { showError(new Error(`There is no hub ${JSON.stringify(name)}.`)); event.target.value = readState().hub; }
});

// Links to other views do not load the page again.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (link.origin !== location.origin || link.pathname !== "/_mockhub/" || link.target || link.hash) return;
  event.preventDefault();
  navigate(link.href);
});
byId("control-link").addEventListener("click", async (event) => {
  if (!sessionStorage.getItem("mockhub.token")) return;
  event.preventDefault(); // a link cannot send the token
  const text = await api("GET", "/control.yaml");
  window.open(URL.createObjectURL(new Blob([text], { type: "text/plain" })));
});
addEventListener("popstate", show);
show();
