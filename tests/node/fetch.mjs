// Uses the API with Node's fetch and prints the responses.
import { keys, png, request, print, url } from "./shared.mjs";

const send = async (body, { key = keys.rich, ...headers } = {}) => {
  const response = await fetch(`${url}/api/v1/images/generations`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, ...headers },
    body,
  });
  return { status: response.status, body: await response.json() };
};
const asJson = (change = {}, options = {}) =>
  send(JSON.stringify({ ...request, ...change }), { "Content-Type": "application/json", ...options });

const form = (...images) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(request)) data.append(name, value);
  for (const image of images) data.append("reference_image", new Blob([image]), "reference.png");
  return data;
};

const generation = await asJson();
const queued = await asJson({ async: true });
const image = await fetch(generation.body.images[0].url);
const poll = await fetch(queued.body.poll_url, { headers: { Authorization: `Bearer ${keys.rich}` } });

print({
  generation,
  queued,
  polled: { status: poll.status, body: await poll.json() },
  oneReference: await send(form(png)),
  twoReferences: await send(form(png, png)),
  notAnImage: await send(form("not a image")),
  poor: await asJson({}, { key: keys.poor }),
  image: {
    type: image.headers.get("content-type"),
    start: [...new Uint8Array(await image.arrayBuffer()).slice(0, 4)],
  },
});
