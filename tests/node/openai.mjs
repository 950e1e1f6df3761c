// Uses the API with the OpenAI SDK for Node, of which only the baseURL changes, and prints the responses.
import OpenAI from "openai";
import { keys, request, print, url } from "./shared.mjs";

const client = (apiKey) => new OpenAI({ apiKey, baseURL: `${url}/api/v1`, maxRetries: 0 });
const rich = client(keys.rich);

const rejection = async (promise) => {
  try {
    return { nothing: await promise };
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code };
  }
};
const rejected = (key, change = {}) => rejection(client(key).images.generate({ ...request, ...change }));

const generation = await rich.images.generate({ ...request, n: 2 });
const queued = await rich.images.generate({ ...request, async: true });

print({
  generation,
  queued,
  polled: await rich.get(`/generations/${queued.id}`),
  models: (await rich.models.list()).data.map((model) => model.id),
  rejected: {
    unknown: await rejected("gih_live_unknown"),
    expired: await rejected(keys.expired),
    poor: await rejected(keys.poor),
    tooMany: await rejected(keys.rich, { n: 5 }),
    failed: await rejected(keys.rich, { prompt: "[[fail]]" }),
    missing: await rejection(rich.get("/generations/none")),
  },
});
