// Uses the API with openapi-fetch and types of openapi-typescript, and prints the responses. It is compiled first.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";
import { keys, png, request, print, url } from "./shared.mjs";

type GenerationForm = components["schemas"]["GenerationForm"];

const client = (key: string) =>
  createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });
const rich = client(keys.rich);

// The generator calls a file a string, as OpenAPI does; FormData wants it as a Blob.
const form = (fields: GenerationForm) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const item of Array.isArray(value) ? value : [value]) data.append(name, item as string | Blob);
  }
  return data;
};
const image = new Blob([png]) as unknown as components["schemas"]["ReferenceImage"];

const generate = async (more: Partial<GenerationForm> = {}) => {
  const { data, error } = await rich.POST("/api/v1/images/generations", {
    body: { ...request, ...more },
    ...(more.reference_image && { bodySerializer: (body) => form(body as GenerationForm) }),
  });
  if (!data) throw new Error(error.error.message);
  return data;
};

const generation = await generate({ n: 2, quality: "high" });
const one = await generate({ reference_image: image });
const two = await generate({ reference_image: [image, image] });
const queued = await generate({ async: true });
if (queued.status !== "queued") throw new Error(queued.status);
const credits_requested: number = queued.usage.credits_requested;

const { data: polled } = await rich.GET("/api/v1/generations/{generationId}", {
  params: { path: { generationId: queued.id } },
});
// The compiler infers from the status which of the three bodies it is.
if (polled?.status !== "succeeded") throw new Error(polled?.status);

const rejected = await client(keys.poor).POST("/api/v1/images/generations", { body: request });
const { data: models } = await createClient<paths>({ baseUrl: url }).GET("/api/v1/models");
const { data: balance } = await rich.GET("/api/v1/credits");

print({
  generation,
  one,
  two,
  queued: { ...queued, usage: { ...queued.usage, credits_requested } },
  polled,
  rejected: { status: rejected.response.status, code: rejected.error?.error.code },
  models: models?.data.map((model) => model.id),
  credits: balance?.credits,
});
