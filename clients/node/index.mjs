// Hubs of a running mockhub, controlled over HTTP. The types are in index.d.ts.

export class MockhubError extends Error {
  name = "MockhubError";
}

const defaultUrl = () => process.env.MOCKHUB_URL ?? "http://127.0.0.1:8080";

/** Create a hub that is isolated from all others, with an account, credits and an API key. */
export async function createHub({ url = defaultUrl(), token = process.env.MOCKHUB_CONTROL_TOKEN, ...options } = {}) {
  const request = client(url, token);
  const created = await request("POST", "/hubs", { clock: { kind: "manual" }, ...options });
  return new Hub(request, created);
}

class Hub {
  #request;

  constructor(request, { hub, key, account }) {
    const path = `/hubs/${encodeURIComponent(hub.name)}`;
    this.#request = (method, route = "", body) => request(method, path + route, body);
    this.name = hub.name;
    this.url = hub.url;
    this.baseUrl = hub.base_url;
    this.key = key;
    this.account = account;
    this.headers = key ? { Authorization: `Bearer ${key}` } : {};
  }

  arm = async (fault, { prompt } = {}) => (await this.#request("POST", "/faults", { fault, prompt })).faults;
  disarm = () => this.#request("DELETE", "/faults");
  provider = (...script) => this.#request("PUT", "/provider", { script });
  advance = (by) => (by === undefined ? this.#request("POST", "/clock/next") : this.#request("POST", "/clock/advance", { by }));
  clock = () => this.#request("GET", "/clock");
  reset = () => this.#request("POST", "/reset");
  close = () => this.#request("DELETE");
  journal = async (filters = {}) => (await this.#request("GET", `/journal${query(filters)}`)).exchanges;
  generations = async (filters = {}) => (await this.#request("GET", `/generations${query(filters)}`)).generations;
  accounts = async () => (await this.#request("GET", "/accounts")).accounts;
  grant = async (credits, { account, expires_in } = {}) =>
    this.#request("POST", `${await this.#accountPath(account)}/grants`, { credits, expires_in });
  createKey = async (fields = {}) =>
    this.#request("POST", "/keys", { ...fields, account: await this.#accountName(fields.account) });
  report = () => this.#request("GET", "/report");

  async credits({ account } = {}) {
    return (await this.#request("GET", await this.#accountPath(account))).credits;
  }

  #accountPath = async (account) => `/accounts/${encodeURIComponent(await this.#accountName(account))}`;

  /** Return the given account, or that of the hub; a hub of a scenario has several, and none of its own. */
  async #accountName(account = this.account) {
    if (account !== undefined) return account;
    const known = (await this.accounts()).map(({ id }) => id).join(", ");
    throw new MockhubError(`the accounts of ${this.name} are those of its scenario: give { account }, one of ${known}`);
  }

  /** Throw if the client did something wrong, such as paying twice for one request. */
  async assertNoFindings() {
    const { findings } = await this.report();
    if (findings.length) {
      throw new MockhubError(findings.map(({ kind, summary }) => `${kind}: ${summary}`).join("\n"));
    }
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.close();
  }
}

const query = (filters) => {
  const entries = Object.entries(filters).filter(([, value]) => value !== undefined);
  return entries.length ? `?${new URLSearchParams(entries)}` : "";
};

const client = (url, token) => async (method, route, body) => {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...(token && { Authorization: `Bearer ${token}` }) };
  let response;
  try {
    response = await fetch(`${url}/_mockhub${route}`, { method, headers, body: body && JSON.stringify(body), redirect: "error" });
  } catch (error) {
    const reason = error.cause?.message ?? error.message;
    throw new MockhubError(`no mockhub server at ${url}: ${reason}; start one with \`mockhub serve\`, or set MOCKHUB_URL`);
  }
  const text = await response.text();
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new MockhubError(`${url} responded with ${response.status} and no JSON: is it a mockhub server?`);
  }
  if (!response.ok) throw new MockhubError(content.error?.message ?? `${response.status} ${text}`);
  return content;
};
