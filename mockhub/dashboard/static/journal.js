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

// Return the exchanges of a journal (JSON) or a HAR archive; throws an Error for anything else.
export function readJournal(content) {
  const exchanges = content?.exchanges ?? content?.log?.entries?.map(fromHar);
  if (!Array.isArray(exchanges)) throw new Error("it has neither `exchanges` nor `log.entries`");
  return exchanges.map(check);
}

function check(exchange, index) {
  const { number, method, target, status, faults, request, response } = exchange;
  const isValid = Number.isInteger(number) && typeof method === "string" && typeof target === "string"
    && Number.isInteger(status) && Array.isArray(faults) && request?.body && response?.body;
  if (!isValid) throw new Error(`exchange ${index + 1} is not complete; a download of this page or a HAR archive is`);
  return { credits: 0, milliseconds: 0, timestamp: "", raw_target: target, fields: [], ...exchange };
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
