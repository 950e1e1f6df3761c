// What the scripts share: the server under test, the request that they send, and how they tell what they saw.
export const url = process.env.MOCKHUB_URL;
export const keys = JSON.parse(process.env.MOCKHUB_KEYS);
export const request = { model: "gpt-image-2", prompt: "A lighthouse at dusk", size: "1024x1024" };

// The smallest PNG: one grey pixel.
export const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==",
  "base64",
);

export const tell = (seen) => console.log(JSON.stringify(seen));
