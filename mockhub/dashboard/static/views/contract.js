// The reference of the API, from openapi.yaml: operations, fields, prices, errors, the clause and
// the assumption behind each, and a form that sends a request to this hub.
import { code, emptyState, formatCredits, h, inline, pretty, table } from "../dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

export async function mount(root, context) {
  const { api, hub, params, setParams, showError } = context;
  const [spec, { clauses }, { keys }] = await Promise.all([
    fetch("/openapi.json").then((response) => response.json()), api("GET", "/clauses"),
    api("GET", `/hubs/${encodeURIComponent(hub)}/keys`),
  ]);
  const statements = new Map(clauses.map((one) => [one.id, one]));
  const resolve = (node) => node?.$ref ? { ...resolve(node.$ref.slice(2).split("/").reduce((found, name) => found[name], spec)),
    ...Object.fromEntries(Object.entries(node).filter(([name]) => name !== "$ref")) } : node ?? {};
  const operations = Object.entries(spec.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method: method.toUpperCase(), item, ...item[method] })));
  const models = Object.values(resolve(spec.components.examples.Models).value).find(Array.isArray) ?? [];
  const search = h("input", { type: "search", "aria-label": "Filter", placeholder: "Filter: operation, field, code, clause…",
    value: params.get("q") ?? "", oninput: () => { setParams({ q: search.value }); filter(); } });
  const sections = [...operations.map(renderOperation), renderModels(), renderErrors(), renderAssumed()];
  const empty = emptyState("Nothing matches the filter.");
  root.append(h("div", { class: "toolbar" }, h("h2", {}, spec.info.title), search,
    h("span", { class: "hint" }, "Download ", h("a", { href: "/openapi.yaml", download: "" }, "openapi.yaml"), " or ",
      h("a", { href: "/openapi.json", download: "" }, "openapi.json"), "; their server is this mock.")), ...sections, empty);
  filter();

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const section of sections) section.hidden = !words.every((word) => section.textContent.toLowerCase().includes(word));
    empty.hidden = sections.some((section) => !section.hidden);
  }

  // The clauses that a place rests on; a click shows their statements.
  function basis(node) {
    const ids = node["x-clauses"] ?? [];
    if (!ids.length && !node["x-assumed"]) return null;
    return h("details", { class: "basis" }, h("summary", {}, ids.join(" "), node["x-assumed"] ? h("span", { class: "tag warn" }, "assumed") : null),
      ids.map((id) => h("p", {}, h("strong", {}, id), ` (${statements.get(id)?.level ?? "?"}) `, inline(statements.get(id)?.statement))),
      node["x-assumed"] ? h("p", { class: "warn" }, "Assumed: ", inline(node["x-assumed"])) : null);
  }
  function describeType(schema) {
    const words = [[schema.type].flat().join(" or ") || (schema.oneOf ?? schema.anyOf ?? []).map((one) => describeType(resolve(one))).join(", or ")];
    if (schema.type === "array") words.push(`of ${describeType(resolve(schema.items))}`);
    if (schema.enum) words.push(`: ${schema.enum.join(", ")}`);
    for (const [name, label] of Object.entries({ const: "=", minimum: "≥", maximum: "≤", minLength: "min. length", maxLength: "max. length",
      minItems: "min. items", maxItems: "max. items", "x-max-bytes": "max. bytes", default: "default", format: "format", pattern: "pattern" })) {
      if (schema[name] !== undefined) words.push(`${label} ${JSON.stringify(schema[name])}`);
    }
    return words.join(" ");
  }
  function fields(schema, label) {
    const found = resolve(schema);
    const rows = Object.entries(found.properties ?? {}).map(([name, node]) => ({ name, ...resolve(node), required: found.required?.includes(name) }));
    return rows.length ? table([
      { label: "Field", value: (row) => h("span", {}, h("code", {}, row.name), row.required ? h("span", { class: "tag" }, "required") : null) },
      { label: "Type", class: "text", value: describeType },
      { label: "Meaning", class: "text", value: (row) => h("div", {}, inline(row.description), basis(row)) }], rows, label) : null;
  }
  function renderOperation(one) {
    const body = resolve(one.requestBody);
    const parameters = [...one.item.parameters ?? [], ...one.parameters ?? []].map(resolve);
    return h("section", { class: "card" },
      h("h3", {}, h("code", {}, `${one.method} ${one.path}`), " ", inline(one.summary)),
      h("p", {}, inline(one.description)), basis(one),
      parameters.length ? table([{ label: "Parameter", value: (row) => h("code", {}, row.name) }, { label: "In", value: (row) => row.in },
        { label: "Meaning", class: "text", value: (row) => h("div", {}, inline(row.description), basis(row)) }], parameters, "Parameters") : null,
      Object.entries(body.content ?? {}).map(([media, node]) => h("details", {}, h("summary", {}, `Body: ${media}`), fields(node.schema, `Body as ${media}`))),
      Object.entries(one.responses).map(([status, node]) => renderResponse(status, resolve(node))),
      tryIt(one, body));
  }
  function renderResponse(status, response) {
    const media = Object.values(response.content ?? {})[0] ?? {};
    return h("details", {}, h("summary", {}, h("strong", { class: status < 400 ? "good" : "warn" }, status), " ", inline(response.description)),
      basis(response), fields(media.schema, `Response ${status}`),
      Object.entries(media.examples ?? {}).map(([name, example]) => h("div", {}, h("p", { class: "hint" }, `Example: ${resolve(example).summary ?? name}`),
        code(JSON.stringify(resolve(example).value, null, 2), `Example ${name}`))));
  }
  function tryIt(one, body) {
    const example = resolve(Object.values(body.content?.["application/json"]?.examples ?? {})[0]).value;
    const key = h("select", { "aria-label": "Key" }, keys.map((row) => h("option", { value: row.id }, `${row.name}${row.revoked ? " (revoked)" : ""}`)),
      h("option", { value: "" }, "no key"));
    const target = h("input", { value: one.path, "aria-label": "Path", class: "mono", size: 40, required: true });
    const text = example && h("textarea", { value: JSON.stringify(example, null, 2), rows: 8, "aria-label": "Body", class: "mono wide", spellcheck: false });
    const result = h("div", { role: "status" });
    const send = async (event) => {
      event.preventDefault();
      try {
        const request = { method: one.method, target: target.value, ...(key.value && { key: key.value }), ...(text && { body: text.value }) };
        const { exchange } = await api("POST", `/hubs/${encodeURIComponent(hub)}/requests`, request);
        result.replaceChildren(h("p", {}, h("strong", {}, exchange.status || "no response"), ` ${exchange.credits ? `${formatCredits(exchange.credits)} credits, ` : ""}`,
          h("a", { href: context.href("requests", { exchange: exchange.number }) }, `exchange ${exchange.number}`)), code(pretty(exchange.response.body.text), "Response"));
      } catch (error) { showError(error); }
    };
    return h("details", {}, h("summary", {}, "Try it on this hub"), h("form", { onsubmit: send, class: "try" },
      h("div", { class: "toolbar" }, h("span", { class: "mono" }, one.method), target, key), text, h("p", {}, h("button", { type: "submit", class: "primary" }, "Send")), result));
  }
  function renderModels() {
    const cell = (value) => value === null || typeof value !== "object" ? String(value)
      : Object.entries(value).map(([name, inner]) => Array.isArray(value) ? cell(inner) : `${name}: ${cell(inner)}`).join(", ");
    const names = [...new Set(models.flatMap((model) => Object.keys(model)))];
    return h("section", { class: "card" }, h("h3", {}, "Models and prices"),
      table(names.map((name) => ({ label: name.replaceAll("_", " "), class: "text", value: (row) => cell(row[name]) })), models, "Models"));
  }
  function renderErrors() {
    const rows = Object.values(spec.components.responses).flatMap((response) => Object.values(response.content ?? {}).flatMap((media) =>
      Object.values(media.examples ?? {}).map((example) => ({ response, error: resolve(example).value?.error })))).filter((row) => row.error);
    return h("section", { class: "card" }, h("h3", {}, "Error codes"), table([
      { label: "Code", value: (row) => h("code", {}, row.error.code) },
      { label: "Message", class: "text", value: (row) => inline(row.error.message) },
      { label: "When", class: "text", value: (row) => h("div", {}, inline(row.response.description), basis(row.response)) }], rows, "Error codes"));
  }
  function renderAssumed() {
    const list = h("div");
    const load = () => list.childElementCount || api("GET", "/assumptions").then(({ assumptions }) => list.replaceChildren(table([
      { label: "Clauses", value: (row) => row.clauses.join(" ") }, { label: "Assumption", class: "text", value: (row) => inline(row.why) },
      { label: "Place", class: "text", value: (row) => h("code", {}, row.pointer) }], assumptions, "Assumptions"))).catch(showError);
    return h("section", { class: "card" }, h("h3", {}, "What the documentation leaves open"), h("details", { ontoggle: load }, h("summary", {}, "All assumptions"), list));
  }
}
