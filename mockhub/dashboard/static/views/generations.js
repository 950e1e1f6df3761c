// The generations of a hub: their state, progress and outcome; a running one can be completed by hand.
import { emptyState, formatTime, h, replace, table } from "../dom.js";
import { action, changed, firstImage, keepLoaded, pager } from "../live.js";

const TICK = 1000; // milliseconds between two readings while one is running

export async function mount(root, context) {
  const { api, can, href, params, setParams, target } = context;
  let running = false;
  const pages = pager(context, 50);
  const list = h("div");
  const status = h("select", { "aria-label": "Status", onchange() { setParams({ status: status.value }); context.reload(); } },
    h("option", { value: "" }, "Any status"), ["queued", "processing", "succeeded", "failed"].map((one) => h("option", { value: one }, one)));
  status.value = params.get("status") ?? "";
  root.append(h("h2", {}, "Generations"), h("div", { class: "toolbar" }, status), list, pages.node);

  const complete = (one, label, outcome) => action(context, label, async () => {
    await api("POST", `/generations/${encodeURIComponent(one.id)}/complete`, { outcome });
    return `${one.id} ${outcome}.`;
  }, { "data-key": `${label} ${one.id}`, "aria-label": `${label} ${one.id}` });
  const ended = (one) => one.ended_at !== null;
  const columns = [
    { label: "Status", value: (one) => h("span", { class: { succeeded: "good", failed: "bad" }[one.status] ?? "warn" }, one.status) },
    { label: "Prompt", class: "text", value: (one) => h("span", { class: "prompt", dir: "auto", title: one.prompt }, one.prompt) },
    { label: "Created", value: (one) => formatTime(one.created_at) },
    { label: "Progress or end", value: (one) => (ended(one) ? formatTime(one.ended_at) : [
      h("progress", { value: one.progress ?? undefined, max: 1, "aria-label": `Progress of ${one.id}` }), " ",
      one.due_at ? [`${Math.floor(one.progress * 100)} %, due `, formatTime(one.due_at)] : `${one.polls} polls`,
      can("complete_generation") && h("div", { class: "toolbar" }, complete(one, "Complete", "succeeded"), complete(one, "Fail", "failed"))]) },
    !target && { label: "Outcome", value: (one) => h("code", {}, one.outcome) },
    { label: "Images", value: (one) => [one.delivered ? h("a", { href: href("gallery", { image: `${one.id}.1` }), "aria-label": `Images of ${one.id}` }, `${one.delivered} of ${one.n}`)
      : `0 of ${one.n}`, h("div", { class: "muted" }, `${one.size} · ${one.tier}`)] },
    { label: "Credits", class: "number", value: (one) => (ended(one) ? one.credits : `${one.credits_requested} held`) },
    { label: "Generation", value: (one) => [h("a", { href: href("requests", { q: one.id }) }, h("code", {}, one.id)),
      h("div", { class: "muted" }, `${one.account} · ${one.async ? "async" : "sync"}`)] },
  ].filter(Boolean);
  async function load() {
    const filter = status.value ? `status=${status.value}` : "";
    const generations = await pages.read(`/generations?${filter}`, "generations", (one) => one.id);
    running = generations.some((one) => !ended(one));
    replace(list, generations.length ? table(columns, generations, "List of generations")
      : filter ? emptyState("No generation has this status.")
        : await firstImage(context, ...(can("complete_generation")
          ? ["No generation yet. Start one that runs until you complete it:", { prompt: "A lighthouse at dusk [[never]]", async: true }]
          : ["No generation yet. Start one:", { prompt: "A lighthouse at dusk", async: true }])));
  }
  await keepLoaded(context, load, changed("generations", "clock"));
  setInterval(() => { if (running && !document.hidden && context.isLive()) context.reload(); }, TICK);
}
