// Shared by the scripts: the server under test, its keys, a request, an image and the output.
export const url = process.env.MOCKHUB_URL;
export const keys = JSON.parse(process.env.MOCKHUB_KEYS);
export const request = { model: "gpt-image-2", prompt: "A lighthouse at dusk", size: "1024x1024" };

// The smallest PNG: one grey pixel.
export const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==",
  "base64",
);

export const print = (observed) => console.log(JSON.stringify(observed));
