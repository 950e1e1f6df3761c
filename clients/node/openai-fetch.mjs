// For SDKs that expect OpenAI's `data` (Vercel AI SDK, LangChain.js): the API responds with `images`.

/** Wrap fetch so that the response of a generation has `data` too, with the images in base64. */
export const openaiFetch = (inner = globalThis.fetch) => async (input, init) => {
  const response = await inner(input, init);
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const content = isJson ? await response.clone().json().catch(() => undefined) : undefined;
  if (!response.ok || !Array.isArray(content?.images)) return response;
  const data = content.images.map(async ({ url }) => {
    const image = await inner(url);
    if (!image.ok) throw new Error(`${url}: ${image.status} ${image.statusText}`);
    return { url, b64_json: Buffer.from(await image.arrayBuffer()).toString("base64") };
  });
  const { status, statusText } = response;
  return Response.json({ ...content, data: await Promise.all(data) }, { status, statusText });
};
