/** Wrap fetch so that the response of a generation has OpenAI's `data` too, with the images in base64. */
export function openaiFetch(inner?: typeof fetch): typeof fetch;
