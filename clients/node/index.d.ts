import type { Account, Clock, CreatedKey, Exchange, Faults, Generation, NewHub, NewKey, Provider, Report } from "./control.js";

export type * from "./control.js";

export class MockhubError extends Error {}

export interface HubOptions extends NewHub {
  /** Address of the server; default: MOCKHUB_URL, else http://127.0.0.1:8080. */
  url?: string;
  /** The server's --control-token; default: MOCKHUB_CONTROL_TOKEN. */
  token?: string;
}

export interface Hub extends AsyncDisposable {
  readonly name: string;
  /** Replaces https://www.gptimagehub.com. */
  readonly url: string;
  /** With /api/v1, as the OpenAI SDKs want it. */
  readonly baseUrl: string;
  /** A key of the hub's account; undefined if the hub is from a scenario: use one of its keys, or `createKey({ account })`. */
  readonly key: string | undefined;
  readonly account: string | undefined;
  /** The Authorization header of the key; empty without one. */
  readonly headers: Record<string, string>;
  /** Arm a fault, such as "reset@after x1". */
  arm(fault: string, options?: { prompt?: string }): Promise<Faults["faults"]>;
  disarm(): Promise<Faults>;
  /** Set the outcomes of generations, such as "fail"; the last one repeats. */
  provider(...script: string[]): Promise<Provider>;
  /** Advance the clock by a duration such as "90s", or to the next event. */
  advance(by?: string): Promise<Clock>;
  clock(): Promise<Clock>;
  /** Restore the initial state. */
  reset(): Promise<unknown>;
  /** Delete the hub. */
  close(): Promise<unknown>;
  journal(filters?: { operation?: string; status?: number; account?: string; since?: number; limit?: number }): Promise<Exchange[]>;
  generations(filters?: { status?: string; account?: string; limit?: number }): Promise<Generation[]>;
  accounts(): Promise<Account[]>;
  /** The balance of the hub's account; a hub of a scenario needs `account`, as in `grant` and `createKey`. */
  credits(options?: { account?: string }): Promise<number>;
  grant(credits: number, options?: { account?: string; expires_in?: string }): Promise<Account>;
  createKey(fields?: Partial<NewKey>): Promise<CreatedKey>;
  /** What the client did wrong, and what of the API it has not used. */
  report(): Promise<Report>;
  assertNoFindings(): Promise<void>;
}

/** Create a hub that is isolated from all others, with a manual clock. */
export function createHub(options?: HubOptions): Promise<Hub>;
