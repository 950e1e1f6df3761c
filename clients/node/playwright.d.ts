import type { PlaywrightTestArgs, PlaywrightTestOptions, PlaywrightWorkerArgs, PlaywrightWorkerOptions, TestType } from "@playwright/test";
import type { Hub, HubOptions } from "./index.js";

export { expect } from "@playwright/test";
export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & { hub: Hub; hubOptions: HubOptions },
  PlaywrightWorkerArgs & PlaywrightWorkerOptions
>;
