// A hub for every test of Playwright Test: `import { test, expect } from "mockhub-client/playwright"`.
import { expect, test as base } from "@playwright/test";
import { hubFixture } from "./fixture.mjs";

export { expect };
export const test = base.extend({ hubOptions: [{}, { option: true }], hub: hubFixture });
