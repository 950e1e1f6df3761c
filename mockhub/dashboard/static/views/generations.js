// The generations of a hub: their state, progress and outcome; a running one can be completed by hand.
import { emptyState, formatTime, h, table } from "../dom.js";
import { action, changed, firstImage, keepLoaded, pager, replace } from "../live.js";

const TICK = 1000; // milliseconds between two readings while one is running

export async function mount(root, context) {
  const { api, hub, href, params, setParams } = context;
  const path = `/hubs/${encodeURIComponent(hub)}/generations`;
  let running = false;
  const pages = pager(50, () => live.load());
  const list = h("div");
  const status = h("select", { "aria-label": "Status", onchange: () => { setParams({ status: status.value }); live.load(); } },
    h("option", { value: "" }, "Any status"), ["queued", "processing", "succeeded", "failed"].map((one) => h("option", { value: one }, one)));
  status.value = params.get("status") ?? "";
  root.append(h("h2", {}, "Generations"), h("div", { class: "toolbar" }, status), list, pages.node);

  const complete = (one, label, outcome) => action(context, label, async () => {
    await api("POST", `${path}/${encodeURIComponent(one.id)}/complete`, { outcome });
    await live.load();
  }, { "data-key": `${label} ${one.id}`, "aria-label": `${label} ${one.id}`, done: `${one.id} ${outcome}.` });
  const ended = (one) => one.ended_at !== null;
  const columns = [
    { label: "Status", value: (one) => h("span", { class: { succeeded: "good", failed: "bad" }[one.status] ?? "warn" }, one.status) },
    { label: "Prompt", class: "text", value: (one) => h("span", { class: "prompt", dir: "auto", title: one.prompt }, one.prompt) },
    { label: "Progress or end", value: (one) => (ended(one) ? formatTime(one.ended_at) : [
      h("progress", { value: one.progress ?? undefined, max: 1, "aria-label": `Progress of ${one.id}` }), " ",
      one.due_at ? [`${Math.floor(one.progress * 100)} %, due `, formatTime(one.due_at)] : `${one.polls} polls`]) },
    { label: "By hand", value: (one) => (ended(one) ? "" : h("span", { class: "buttons" }, complete(one, "Complete", "succeeded"), complete(one, "Fail", "failed"))) },
    { label: "Images", value: (one) => (one.delivered ? h("a", { href: href("gallery", { image: `${one.id}.1` }), "aria-label": `Images of ${one.id}` }, `${one.delivered} of ${one.n}`) : `0 of ${one.n}`) },
    { label: "Request", value: (one) => `${one.size} · ${one.tier} · ${one.async ? "async" : "sync"}` },
    { label: "Credits", class: "number", value: (one) => (ended(one) ? one.credits : `${one.credits_requested} held`) },
    { label: "Created", value: (one) => formatTime(one.created_at) },
    { label: "Account", value: (one) => one.account },
    { label: "Outcome", value: (one) => h("code", {}, one.outcome) },
    { label: "Generation", value: (one) => h("a", { href: href("requests", { q: one.id }) }, h("code", {}, one.id)) },
  ];
  async function load() {
    const filter = status.value ? `status=${status.value}` : "";
    const generations = await pages.read(api, `${path}?${filter}`, "generations", (one) => one.id);
    running = generations.some((one) => !ended(one));
    replace(list, generations.length ? table(columns, generations, "List of generations")
      : emptyState(filter ? "No generation has this status." : "No generation yet. Start one that runs until you complete it:",
        filter ? null : firstImage(context, { prompt: "A lighthouse at dusk [[never]]", async: true })));
  }
  const live = await keepLoaded(context, load, changed("generations", "clock"));
  const timer = setInterval(() => { if (running && !document.hidden) live.load(); }, TICK);
  return () => { clearInterval(timer); live.stop(); };
}
