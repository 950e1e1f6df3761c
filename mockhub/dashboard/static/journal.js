// Write exchanges as commands, and read the files that a journal was saved to.

const COPIED = ["content-type", "accept", "x-mockhub", "prefer", "origin"]; // lower case, as in the journal
const MISSING = "The body is too long for the journal, and not valid: put it into the file `body`.";

export const isForm = (exchange) => (exchange.request.headers["content-type"] ?? "").startsWith("multipart/");

// The text of the body of a request, or of its fields if that is not in the journal.
export function bodyText({ request, fields }) {
  return request.body.text ?? (fields.length ? JSON.stringify(Object.fromEntries(fields.map(({ name, value }) => [name, value]))) : null);
}

// What is sent again; the key is read from MOCKHUB_KEY, and files are named reference-1.png and so on.
function parts(exchange) {
  const { headers } = exchange.request;
  const form = isForm(exchange);
  let number = 0;
  return {
    url: document.body.dataset.publicUrl + exchange.raw_target,
    hasKey: "authorization" in headers,
    headers: Object.entries(headers).filter(([name]) => COPIED.includes(name) && !(form && name === "content-type")),
    body: form ? null : bodyText(exchange),
    isMissing: exchange.request.body.length > 0 && bodyText(exchange) === null,
    form: form ? exchange.fields.map(({ name, value }) => (value === null ? { name, file: `reference-${number += 1}.png` } : { name, value: String(value) })) : [],
  };
}

export function asCurl(exchange) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const { url, hasKey, headers, body, form, isMissing } = parts(exchange);
  const words = [`curl -X ${exchange.method} ${quote(url)}`];
  if (hasKey) words.push('-H "Authorization: Bearer $MOCKHUB_KEY"');
  for (const [name, value] of headers) words.push(`-H ${quote(`${name}: ${value}`)}`);
  if (body) words.push(`--data-raw ${quote(body)}`);
  for (const { name, value, file } of form) words.push(file ? `-F ${name}=@${file}` : `--form-string ${quote(`${name}=${value}`)}`);
  if (isMissing) words.push("--data-binary @body");
  return words.join(" \\\n  ");
}

export function asHttpx(exchange) {
  const { url, hasKey, headers, body, form, isMissing } = parts(exchange);
  const quote = JSON.stringify;
  const lines = headers.map(([name, value]) => `        ${quote(name)}: ${quote(value)},`);
  if (hasKey) lines.unshift('        "Authorization": f"Bearer {os.environ[\'MOCKHUB_KEY\']}",');
  const read = (file) => `Path(${quote(file)}).read_bytes()`;
  const files = form.map(({ name, value, file }) => `        (${quote(name)}, ${file ? `(${quote(file)}, ${read(file)})` : `(None, ${quote(value)})`}),`);
  return [...(isMissing ? [`# ${MISSING}`] : []), "import os", "from pathlib import Path", "", "import httpx", "", "response = httpx.request(",
    `    ${quote(exchange.method)},`, `    ${quote(url)},`, "    headers={", ...lines, "    },",
    ...(body ? [`    content=${quote(body)}.encode(),`] : isMissing ? [`    content=${read("body")},`] : []),
    ...(files.length ? ["    files=[", ...files, "    ],"] : []), "    timeout=900,", ")"].join("\n");
}

export function asFetch(exchange) {
  const { url, hasKey, headers, body, form, isMissing } = parts(exchange);
  const quote = JSON.stringify;
  const lines = headers.map(([name, value]) => `    ${quote(name)}: ${quote(value)},`);
  if (hasKey) lines.unshift("    Authorization: `Bearer ${process.env.MOCKHUB_KEY}`,");
  const opensFile = isMissing || form.some(({ file }) => file);
  const append = form.map(({ name, value, file }) => `form.append(${quote(name)}, ${file ? `await openAsBlob(${quote(file)}), ${quote(file)}` : quote(value)});`);
  const content = form.length ? "form" : isMissing ? 'await openAsBlob("body")' : body && quote(body);
  return [...(isMissing ? [`// ${MISSING}`] : []), ...(opensFile ? ['import { openAsBlob } from "node:fs";', ""] : []),
    ...(form.length ? ["const form = new FormData();", ...append] : []),
    `const response = await fetch(${quote(url)}, {`, `  method: ${quote(exchange.method)},`, "  headers: {", ...lines, "  },",
    ...(content ? [`  body: ${content},`] : []), "});"].join("\n");
}

// -- files -------------------------------------------------------------------------------------

const isText = (value) => typeof value === "string";
const isNumber = (value) => typeof value === "number";
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isAbsentOr = (isValid) => (value) => value === undefined || value === null || isValid(value);
const isListOf = (isValid) => (value) => Array.isArray(value) && value.every(isValid);
const isMessage = (value) => isObject(value) && isObject(value.headers) && isObject(value.body) && isAbsentOr(isText)(value.body.text);
const isHeader = (value) => isText(value?.name) && isText(value.value);
const isHarMessage = (value, body) => isObject(value) && isListOf(isHeader)(value.headers) && isAbsentOr(isText)(body?.text);

// What is read of an exchange, and of an entry of a HAR archive: name, check, what is expected.
const EXCHANGE = [
  ["number", Number.isInteger, "a whole number"], ["method", isText, "a text"], ["target", isText, "a text"],
  ["status", Number.isInteger, "a whole number"], ["faults", isListOf(isText), "a list of texts"],
  ["request", isMessage, "an object with headers and a body"], ["response", isMessage, "an object with headers and a body"],
  ["timestamp", isAbsentOr(isText), "a text"], ["credits", isAbsentOr(isNumber), "a number"], ["milliseconds", isAbsentOr(isNumber), "a number"],
  ["raw_target", isAbsentOr(isText), "a text"], ["fields", isAbsentOr(isListOf(isObject)), "a list of objects"],
];
const ENTRY = [
  ["request", (value) => isHarMessage(value, value?.postData) && isText(value.method) && URL.canParse(value.url), "an object with method, url and a list of headers"],
  ["response", (value) => isHarMessage(value, value?.content) && isObject(value.content) && Number.isInteger(value.status), "an object with status, content and a list of headers"],
];

// Return the exchanges of a journal (JSON) or a HAR archive; throws an Error for anything else.
export function readJournal(content) {
  const har = content?.log?.entries;
  if (Array.isArray(har)) return har.map((entry, index) => complete(fromHar(check(entry, ENTRY, `log.entries[${index}]`), index), `log.entries[${index}]`));
  if (!Array.isArray(content?.exchanges)) throw new Error("it has neither a list `exchanges` nor `log.entries`");
  return content.exchanges.map((exchange, index) => complete(exchange, `exchanges[${index}]`));
}

function check(item, fields, place) {
  const show = (value) => JSON.stringify(value)?.slice(0, 60) ?? "missing";
  if (!isObject(item)) throw new Error(`${place} is ${show(item)}; expected an object with ${fields.map(([name]) => name).join(", ")}`);
  const wrong = fields.find(([name, isValid]) => !isValid(item[name]));
  if (wrong) throw new Error(`${place}.${wrong[0]} is ${show(item[wrong[0]])}; expected ${wrong[2]}`);
  return item;
}

function complete(exchange, place) {
  const { credits, milliseconds, timestamp, target, raw_target, fields } = check(exchange, EXCHANGE, place);
  return { ...exchange, credits: credits ?? 0, milliseconds: milliseconds ?? 0, timestamp: timestamp ?? "", raw_target: raw_target ?? target, fields: fields ?? [] };
}

function fromHar(entry, index) {
  const headers = (list) => Object.fromEntries(list.map(({ name, value }) => [name.toLowerCase(), value]));
  const body = (text, length) => ({ text: text || null, length: Math.max(length ?? 0, text?.length ?? 0), sha256: null });
  const { request, response } = entry;
  const { pathname, search } = new URL(request.url);
  let error = null;
  try { error = JSON.parse(response.content.text).error; } catch { /* an image or nothing */ }
  return {
    number: entry._number ?? index + 1, timestamp: entry.startedDateTime, method: request.method, target: pathname + search,
    operation: entry._operation, status: response.status, code: error?.code, reason: error?.message, credits: entry._credits ?? 0,
    faults: entry._faults ?? [], milliseconds: entry.time ?? 0,
    request: { headers: headers(request.headers), body: body(request.postData?.text, request.bodySize) },
    response: { headers: headers(response.headers), body: body(response.content.text, response.bodySize) },
  };
}
