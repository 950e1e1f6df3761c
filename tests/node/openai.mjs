// What the OpenAI SDK for Node sees, with nothing changed but its baseURL.
import OpenAI from "openai";
import { keys, request, tell, url } from "./world.mjs";

const client = (apiKey) => new OpenAI({ apiKey, baseURL: `${url}/api/v1`, maxRetries: 0 });
const rich = client(keys.rich);

const refusal = async (promise) => {
  try {
    return { nothing: await promise };
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code };
  }
};
const refused = (key, change = {}) => refusal(client(key).images.generate({ ...request, ...change }));

const made = await rich.images.generate({ ...request, n: 2 });
const queued = await rich.images.generate({ ...request, async: true });

tell({
  made,
  queued,
  polled: await rich.get(`/generations/${queued.id}`),
  models: (await rich.models.list()).data.map((model) => model.id),
  refused: {
    unknown: await refused("gih_live_unknown"),
    expired: await refused(keys.expired),
    poor: await refused(keys.poor),
    tooMany: await refused(keys.rich, { n: 5 }),
    failed: await refused(keys.rich, { prompt: "[[fail]]" }),
    missing: await refusal(rich.get("/generations/none")),
  },
});
