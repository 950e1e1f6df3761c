// Write exchanges as commands, and read the files that a journal was saved to.

const COPIED = ["content-type", "accept", "x-mockhub", "prefer", "origin"];

// The headers and the body to send again; the key is read from MOCKHUB_KEY.
function parts(exchange) {
  const { headers, body } = exchange.request;
  const copied = Object.entries(headers).filter(([name]) => COPIED.includes(name.toLowerCase()));
  const isForm = (headers["content-type"] ?? "").startsWith("multipart/");
  return { hasKey: "authorization" in headers, headers: copied, body: isForm ? null : body.text };
}

export function asCurl(exchange, url) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const { hasKey, headers, body } = parts(exchange);
  const words = [`curl -X ${exchange.method} ${quote(url)}`];
  if (hasKey) words.push('-H "Authorization: Bearer $MOCKHUB_KEY"');
  for (const [name, value] of headers) words.push(`-H ${quote(`${name}: ${value}`)}`);
  if (body) words.push(`--data-raw ${quote(body)}`);
  return words.join(" \\\n  ");
}

export function asHttpx(exchange, url) {
  const { hasKey, headers, body } = parts(exchange);
  const lines = headers.map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  if (hasKey) lines.unshift('        "Authorization": f"Bearer {os.environ[\'MOCKHUB_KEY\']}",');
  return ["import os", "", "import httpx", "", "response = httpx.request(",
    `    ${JSON.stringify(exchange.method)},`, `    ${JSON.stringify(url)},`, "    headers={", ...lines, "    },",
    ...(body ? [`    content=${JSON.stringify(body)}.encode(),`] : []), "    timeout=900,", ")"].join("\n");
}

export function asFetch(exchange, url) {
  const { hasKey, headers, body } = parts(exchange);
  const lines = headers.map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  if (hasKey) lines.unshift("    Authorization: `Bearer ${process.env.MOCKHUB_KEY}`,");
  return [`const response = await fetch(${JSON.stringify(url)}, {`, `  method: ${JSON.stringify(exchange.method)},`,
    "  headers: {", ...lines, "  },", ...(body ? [`  body: ${JSON.stringify(body)},`] : []), "});"].join("\n");
}

// Return the exchanges of a journal (JSON) or a HAR archive; throws an Error for anything else.
export function readJournal(content) {
  if (Array.isArray(content?.exchanges)) return content.exchanges.map(check);
  if (Array.isArray(content?.log?.entries)) return content.log.entries.map(fromHar).map(check);
  throw new Error("it has neither `exchanges` nor `log.entries`");
}

function check(exchange, index) {
  const { number, method, target, status, faults, request, response } = exchange;
  const isValid = Number.isInteger(number) && typeof method === "string" && typeof target === "string"
    && Number.isInteger(status) && Array.isArray(faults) && request?.body && response?.body;
  if (!isValid) throw new Error(`exchange ${index + 1} is not complete; a download of this page or a HAR archive is`);
  return { credits: 0, milliseconds: 0, timestamp: "", ...exchange };
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
    operation: entry._operation ?? null, account: null, key: null, generation: null, status: response.status,
    code: error?.code ?? null, reason: error?.message ?? null, state: null, credits: entry._credits ?? 0,
    faults: entry._faults ?? [], milliseconds: entry.time ?? 0, client_disconnected: false, spec_violation: null,
    request: { headers: headers(request.headers), body: body(request.postData?.text, request.bodySize) },
    response: { headers: headers(response.headers), body: body(response.content.text, response.bodySize) },
  };
}
