// The images of a hub, newest first; those of one request are together.
import { facts, formatTime, h, replace } from "../dom.js";
import { changed, firstImage, keepLoaded, pager } from "../live.js";

const THUMBNAIL = 320; // pixels: a 4K image takes 40 ms and 33 MB of memory in the browser, its thumbnail 2 ms and 0.4 MB

export async function mount(root, context) {
  const { api, params, setParams, showError } = context;
  const nodes = new Map(); // by id
  const pages = pager(context, 24);
  const list = h("div", { class: "pictures" });
  const dialog = h("dialog", { class: "image", "aria-label": "Image", onclose: () => setParams({ image: "" }),
    onclick: (event) => { if (event.target === dialog) dialog.close(); } });
  root.append(h("h2", {}, "Gallery"), list, pages.node, dialog);

  async function load() {
    const generations = await pages.read("/generations?status=succeeded", "generations; only those with images are shown", (one) => one.id);
    for (const id of nodes.keys()) if (!generations.some((one) => one.id === id)) nodes.delete(id);
    for (const one of generations) if (!nodes.has(one.id)) nodes.set(one.id, card(one));
    replace(list, generations.length ? generations.map((one) => nodes.get(one.id))
      : await firstImage(context, "No image yet. Create the first ones:", { prompt: "A lighthouse at dusk", n: 2 }));
  }
  function card(one) {
    const thumbnail = (image, index) => h("button", { type: "button", class: "thumbnail", "data-key": `${one.id}.${index + 1}`,
      "aria-label": `Image ${index + 1} of ${one.images.length}: ${one.prompt.slice(0, 200)}`, onclick: () => open(one, index) },
      h("img", { src: `${image.preview_path}?width=${THUMBNAIL}`, alt: "", loading: "lazy", decoding: "async", width: image.width, height: image.height }));
    return h("article", { class: "card" },
      h("div", { class: "siblings" }, one.images.map(thumbnail)),
      h("p", { class: "prompt", dir: "auto", title: one.prompt }, one.prompt),
      h("p", { class: "muted" }, [one.size, one.tier, `${one.credits} credits`, one.account].join(" · "), " · ", formatTime(one.created_at),
        one.delivered < one.n && h("span", { class: "warn" }, ` · ${one.delivered} of ${one.n} delivered`)));
  }
  function open(one, index) {
    const image = one.images[index];
    const file = `${one.id}-${index + 1}.${image.preview_path.split(".").pop()}`;
    replace(dialog,
      h("img", { src: image.preview_path, alt: one.prompt.slice(0, 200), width: image.width, height: image.height }),
      h("div", { class: "toolbar" },
        h("a", { class: "button", href: image.preview_path, download: file }, "Download"),
        one.images.length > 1 && h("button", { type: "button", "data-key": "next", onclick: () => open(one, (index + 1) % one.images.length) }, "Next image"),
        h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
      facts({
        Prompt: h("span", { dir: "auto" }, one.prompt), Image: `${index + 1} of ${one.images.length}`,
        Dimensions: `${image.width} × ${image.height}, ${image.media_type}`,
        Requested: `${one.model}, size ${one.size}, quality ${one.quality}, n ${one.n}, ${one.references} references`,
        Credits: `${one.credits}, tier ${one.tier}`, Account: one.account, Created: one.created_at, Generation: h("code", {}, one.id),
        URL: h("a", { href: image.url, target: "_blank", rel: "noreferrer" }, image.url),
      }));
    if (!dialog.open) dialog.showModal();
    setParams({ image: `${one.id}.${index + 1}` });
  }
  context.onEvents((batch) => { if (batch.cleared) nodes.clear(); }); // another hub has other images under the same ids
  await keepLoaded(context, load, changed("generations"));
  const [id, number] = (params.get("image") ?? "").split(".");
  if (id) api("GET", `/generations/${encodeURIComponent(id)}`).then((one) => one.images[number - 1] && open(one, number - 1)).catch(showError);
}
