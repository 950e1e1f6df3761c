// The fixture of Vitest and Playwright Test, which have the same form.
import { createHub } from "./index.mjs";

export const hubFixture = async ({ hubOptions }, use) => {
  const hub = await createHub(hubOptions);
  try {
    await use(hub);
  } finally {
    await hub.close();
  }
};
