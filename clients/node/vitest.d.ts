import type { TestAPI } from "vitest";
import type { Hub, HubOptions } from "./index.js";

export const test: TestAPI<{ hub: Hub; hubOptions: HubOptions }>;
