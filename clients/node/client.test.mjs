// Run by tests/clients/test_node_client.py, and by hand against a running server: node --test clients/node
import assert from "node:assert/strict";
import { test } from "node:test";
import { hubFixture } from "./fixture.mjs";
import { createHub, MockhubError } from "./index.mjs";
import { openaiFetch } from "./openai-fetch.mjs";

const generate = (hub, body = {}, send = fetch) =>
  send(`${hub.baseUrl}/images/generations`, {
    method: "POST",
    headers: { ...hub.headers, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "gpt-image-2", prompt: "A cat", ...body }),
  });
const withHub = (options, body) => hubFixture({ hubOptions: options }, body);

test("a hub has credits and a journal of its own", () =>
  withHub({ credits: 24 }, async (hub) => {
    assert.equal((await generate(hub)).status, 200);
    assert.equal(await hub.credits(), 16);
    await hub.grant(8);
    assert.equal(await hub.credits(), 24);
    const [exchange] = await hub.journal({ operation: "create_generation" });
    assert.deepEqual([exchange.status, exchange.credits], [200, -8]);
    assert.deepEqual(await hub.journal({ status: 402 }), []);
    await hub.assertNoFindings();
    await hub.reset();
    assert.deepEqual(await hub.generations(), []);
  }));

test("the clock moves a generation", () =>
  withHub({}, async (hub) => {
    await hub.provider("duration=90s");
    const job = await (await generate(hub, { async: true })).json();
    const read = async () => (await (await fetch(job.poll_url, { headers: hub.headers })).json()).status;
    assert.equal(job.status, "queued");
    await hub.advance("30s");
    assert.equal(await read(), "processing");
    await hub.advance();
    assert.equal(await read(), "succeeded");
    assert.equal((await hub.clock()).kind, "manual");
  }));

test("a client that sends a lost request again is reported", () =>
  withHub({}, async (hub) => {
    const [fault] = await hub.arm("reset@after x1");
    assert.equal(fault.fired, 0);
    await assert.rejects(generate(hub, { prompt: "Lost" }));
    await generate(hub, { prompt: "Lost" });
    await assert.rejects(hub.assertNoFindings(), /double_charge: /);
    await hub.disarm();
  }));

test("a key can be created, and accounts listed", () =>
  withHub({}, async (hub) => {
    const { key } = await hub.createKey({ expires_in: "10m" });
    await hub.advance("10m");
    const response = await fetch(`${hub.baseUrl}/credits`, { headers: { Authorization: `Bearer ${key}` } });
    assert.equal((await response.json()).error.code, "expiredApiKey");
    assert.deepEqual((await hub.accounts()).map(({ id }) => id), [hub.account]);
  }));

test("a hub of a scenario needs the name of an account", () =>
  withHub({ scenario: "slow" }, async (hub) => {
    assert.deepEqual([hub.key, hub.account, hub.headers], [undefined, undefined, {}]);
    const [{ id: account, credits }] = await hub.accounts();
    for (const call of [() => hub.credits(), () => hub.grant(8), () => hub.createKey()]) {
      await assert.rejects(call, (error) => error instanceof MockhubError && error.message.includes(`give { account }, one of ${account}`));
    }
    await hub.grant(8, { account });
    assert.equal(await hub.credits({ account }), credits + 8);
    const { key } = await hub.createKey({ account });
    const response = await fetch(`${hub.baseUrl}/credits`, { headers: { Authorization: `Bearer ${key}` } });
    assert.equal((await response.json()).credits, credits + 8);
  }));

test("the adapter adds data to a response with images, and nothing else", () =>
  withHub({ credits: 16 }, async (hub) => {
    const { data, images } = await (await generate(hub, { n: 2 }, openaiFetch())).json();
    assert.deepEqual(data.map(({ url }) => url), images.map(({ url }) => url));
    assert.equal(Buffer.from(data[1].b64_json, "base64").subarray(1, 4).toString(), "PNG");
    const rejected = await generate(hub, {}, openaiFetch());
    assert.equal((await rejected.json()).error.code, "insufficientCredits");
  }));

test("a fixture deletes its hub, also after a failure", async () => {
  let name;
  await assert.rejects(withHub({}, (hub) => ((name = hub.name), Promise.reject(new Error("failed")))), /failed/);
  const hub = await createHub({ name });
  assert.equal(hub.name, name);
  await hub.close();
});

test("errors have the server's message, or say what is missing", async () => {
  await assert.rejects(createHub({ scenario: "slwo" }), (error) => error instanceof MockhubError && /did you mean 'slow'/.test(error.message));
  await assert.rejects(createHub({ url: "http://127.0.0.1:9" }), /no mockhub server at http:\/\/127.0.0.1:9: .*`mockhub serve`/);
});
