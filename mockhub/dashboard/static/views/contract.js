// The reference of the API, from openapi.yaml: operations, fields, prices, errors, the clause and
// the assumption behind each, and a form that sends a request to this hub.
import { code, emptyState, formatCredits, h, inline, pretty, replace, table } from "../dom.js";
import { changed, form, keepLoaded } from "../live.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

export async function mount(root, context) {
  const { api, can, control, href, params, setParams, target } = context;
  const [spec, { clauses }, { assumptions }] = await Promise.all([
    fetch("/openapi.json").then((response) => response.json()), control("GET", "/clauses"), control("GET", "/assumptions"),
  ]);
  const keySelects = [];
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
    h("span", { class: "hint" }, `The server in openapi.yaml, which is linked above, is this ${target ? `proxy of ${target}` : "mock"}.`)), ...sections, empty);
  filter();
  await keepLoaded(context, async () => {
    const { keys } = await api("GET", "/keys");
    const options = () => [...keys.map((row) => h("option", { value: row.id }, `${row.name}${row.revoked ? " (revoked)" : ""}`)), h("option", { value: "" }, "no key")];
    for (const select of keySelects) {
      const { value, options: { length } } = select;
      replace(select, options());
      if (length && (!value || keys.some((one) => one.id === value))) select.value = value;
    }
  }, changed("accounts"));

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
  // The fields of an object, and below each those of the objects that it holds.
  function fieldsOf(schema, prefix = "") {
    const found = resolve(schema);
    return Object.entries(found.properties ?? {}).flatMap(([name, node]) => {
      const inner = resolve(node);
      const row = { ...inner, name: prefix + name, required: found.required?.includes(name) };
      return [row, ...fieldsOf(inner, `${row.name}.`), ...fieldsOf(inner.items, `${row.name}[].`)];
    });
  }
  function fields(schema, label) {
    const rows = fieldsOf(schema);
    return rows.length > 0 && table([
      { label: "Field", value: (row) => h("span", {}, h("code", {}, row.name), row.required && h("span", { class: "tag" }, "required")) },
      { label: "Type", class: "text", value: describeType },
      { label: "Meaning", class: "text", value: (row) => [inline(row.description), basis(row)] }], rows, label);
  }
  function renderOperation(one) {
    const body = resolve(one.requestBody);
    const parameters = [...one.item.parameters ?? [], ...one.parameters ?? []].map(resolve);
    return h("section", { class: "card" },
      h("h3", {}, h("code", {}, `${one.method} ${one.path}`), " ", inline(one.summary)),
      h("p", {}, inline(one.description)), basis(one),
      parameters.length ? table([{ label: "Parameter", value: (row) => h("code", {}, row.name) }, { label: "In", value: (row) => row.in },
        { label: "Meaning", class: "text", value: (row) => [inline(row.description), basis(row)] }], parameters, "Parameters") : null,
      Object.entries(body.content ?? {}).map(([media, node]) => h("details", {}, h("summary", {}, `Body: ${media}`), fields(node.schema, `Body as ${media}`))),
      Object.entries(one.responses).map(([status, node]) => renderResponse(status, resolve(node))),
      can("send_request") && tryIt(one, body, parameters));
  }
  function renderResponse(status, response) {
    const media = Object.values(response.content ?? {})[0] ?? {};
    return h("details", {}, h("summary", {}, h("strong", { class: status < 400 ? "good" : "warn" }, status), " ", inline(response.description)),
      basis(response), fields(media.schema, `Response ${status}`),
      Object.entries(media.examples ?? {}).map(([name, example]) => h("div", {}, h("p", { class: "hint" }, `Example: ${resolve(example).summary ?? name}`),
        code(JSON.stringify(resolve(example).value, null, 2), `Example ${name}`))));
  }
  function tryIt(one, body, parameters) {
    const example = resolve(Object.values(body.content?.["application/json"]?.examples ?? {})[0]).value;
    const path = parameters.reduce((found, { name, examples = {} }) => found.replace(`{${name}}`, resolve(Object.values(examples)[0]).value ?? `{${name}}`), one.path);
    const key = h("select", { name: "key", "aria-label": "Key" });
    keySelects.push(key);
    const result = h("div", { role: "status" });
    const send = async ({ target, key, body }) => {
      const request = { method: one.method, target: target.value, ...(key.value && { key: key.value }), ...(body && { body: body.value }) };
      const { exchange } = await api("POST", "/requests", request);
      replace(result, h("p", {}, h("strong", {}, exchange.status || "no response"), ` ${exchange.credits ? `${formatCredits(exchange.credits)} credits, ` : ""}`,
        h("a", { href: href("requests", { exchange: exchange.number }) }, `exchange ${exchange.number}`)), code(pretty(exchange.response.body.text), "Response"));
    };
    return h("details", {}, h("summary", {}, "Try it on this hub"), form(context, "Send", send, h("span", { class: "mono" }, one.method),
      h("input", { name: "target", value: path, "aria-label": "Path", class: "mono", size: 40, required: true }), key,
      example && h("textarea", { name: "body", value: JSON.stringify(example, null, 2), rows: 8, "aria-label": "Body", class: "mono wide", spellcheck: false })), result);
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
      { label: "When", class: "text", value: (row) => [inline(row.response.description), basis(row.response)] }], rows, "Error codes"));
  }
  function renderAssumed() {
    return h("section", { class: "card" }, h("h3", {}, "What the documentation leaves open"), h("details", {}, h("summary", {}, "All assumptions"), table([
      { label: "Clauses", value: (row) => row.clauses.join(" ") }, { label: "Assumption", class: "text", value: (row) => inline(row.why) },
      { label: "Place", class: "text", value: (row) => h("code", {}, row.pointer) }], assumptions, "Assumptions")));
  }
}
