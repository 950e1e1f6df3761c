// A hub for every test of Vitest: `import { test } from "mockhub-client/vitest"`.
import { test as base } from "vitest";
import { hubFixture } from "./fixture.mjs";

export const test = base.extend({ hubOptions: {}, hub: hubFixture });
