// What Node's own fetch sees.
import { keys, png, request, tell, url } from "./world.mjs";

const ask = async (body, { key = keys.rich, ...headers } = {}) => {
  const answer = await fetch(`${url}/api/v1/images/generations`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, ...headers },
    body,
  });
  return { status: answer.status, body: await answer.json() };
};
const asJson = (change = {}, options = {}) =>
  ask(JSON.stringify({ ...request, ...change }), { "Content-Type": "application/json", ...options });

const form = (...pictures) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(request)) data.append(name, value);
  for (const picture of pictures) data.append("reference_image", new Blob([picture]), "reference.png");
  return data;
};

const made = await asJson();
const queued = await asJson({ async: true });
const picture = await fetch(made.body.images[0].url);
const poll = await fetch(queued.body.poll_url, { headers: { Authorization: `Bearer ${keys.rich}` } });

tell({
  made,
  queued,
  polled: { status: poll.status, body: await poll.json() },
  oneReference: await ask(form(png)),
  twoReferences: await ask(form(png, png)),
  notAPicture: await ask(form("not a picture")),
  poor: await asJson({}, { key: keys.poor }),
  picture: {
    type: picture.headers.get("content-type"),
    start: [...new Uint8Array(await picture.arrayBuffer()).slice(0, 4)],
  },
});
