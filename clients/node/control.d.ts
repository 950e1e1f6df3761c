// Generated from mockhub/control/control.yaml by generate_types.py.

export type HubName = string;

export type AccountId = string;

export type Duration = string;

export type Time = string;

export type TimeOrNever = string | null;

export type State = "queued" | "processing" | "succeeded" | "failed";

export type ImageFormat = "png" | "jpeg" | "webp";

export type Credits = number;

export type InitialCredits = number;

export type Seed = number;

export type PromptFaults = boolean;

export type Replace = boolean;

export type CreditTotals = {
  grant: number;
  charge: number;
  refund: number;
  expiry: number;
};

export type NewHub = {
  name?: HubName;
  scenario?: string;
  scenario_definition?: Record<string, unknown>;
  credits?: InitialCredits;
  account_type?: string;
  seed?: Seed;
  clock?: ClockUpdate;
  image_format?: ImageFormat;
  prompt_faults?: PromptFaults;
  replace?: Replace;
};

export type HubUpdate = {
  seed?: Seed;
  image_format?: ImageFormat;
  max_generations?: number;
  max_generations_size?: number;
  prompt_faults?: PromptFaults;
};

export type Fork = {
  name?: HubName;
  replace?: Replace;
};

export type NewAccount = {
  id: AccountId;
  account_type?: string;
  credits?: InitialCredits;
};

export type Grant = {
  credits: Credits;
  expires_at?: TimeOrNever;
  expires_in?: Duration;
};

export type NewKey = {
  account: string;
  name?: string;
  expires_at?: TimeOrNever;
  expires_in?: Duration;
};

export type Expiry = {
  expires_at?: TimeOrNever;
  expires_in?: Duration;
};

export type Completion = {
  outcome: "succeeded" | "failed";
};

export type ProviderScript = {
  script: Array<string>;
};

export type NewFault = {
  fault: string;
  prompt?: string;
};

export type NewRequest = {
  exchange?: number;
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS";
  target?: string;
  key?: string;
  headers?: Record<string, string>;
  body?: string;
};

export type ClockUpdate = {
  kind?: "manual" | "system";
  mode?: "autojump" | "hold";
  now?: Time;
};

export type Advance = {
  by: Duration;
};

export type ClockTime = {
  to: Time;
};

export type Error = {
  error: {
    code: "invalidRequest" | "invalidToken" | "foreignHost" | "notFound" | "methodNotAllowed" | "conflict" | "mockhubError";
    message: string;
  };
};

export type Health = {
  status: "ok";
  version: string;
  hubs: number;
};

export type Server = {
  target: string | null;
  changes: Array<string>;
};

export type Assumptions = {
  assumptions: Array<{
    pointer: string;
    clauses: Array<string>;
    why: string;
  }>;
};

export type Clauses = {
  clauses: Array<{
    id: string;
    level: "documented" | "inferred";
    statement: string;
  }>;
};

export type Scenarios = {
  scenarios: Array<{
    name: string;
    description: string;
  }>;
};

export type Hubs = {
  hubs: Array<HubSummary>;
};

export type HubSummary = {
  name: HubName;
  url: string;
  base_url: string;
  accounts: number;
  keys: number;
  generations: number;
  exchanges: number;
};

export type HubDetail = {
  name: HubName;
  url: string;
  base_url: string;
  seed: number;
  image_format: ImageFormat;
  max_generations: number;
  max_generations_size: number;
  prompt_faults: boolean;
  clock: Clock;
  accounts: number;
  keys: number;
  generations: {
    queued: number;
    processing: number;
    succeeded: number;
    failed: number;
  };
  faults: number;
  exchanges: number;
  credit_totals: CreditTotals;
  audit: Array<string>;
};

export type CreatedHub = {
  hub: HubDetail;
  account?: string;
  key?: string;
};

export type Deleted = {
  deleted: string;
};

export type Lot = {
  id: number;
  remaining: number;
  expires_at: string | null;
};

export type Account = {
  id: string;
  account_type: string;
  credits: number;
  next_expiration: string | null;
  credit_totals: CreditTotals;
  lots: Array<Lot>;
  keys: Array<string>;
};

export type Accounts = {
  accounts: Array<Account>;
};

export type Entries = {
  total: number;
  stored: number;
  entries: Array<{
    number: number;
    balance: number;
    created_at: string;
    kind: "grant" | "charge" | "refund" | "expiry";
    credits: number;
    lot: number;
    generation: string | null;
  }>;
};

export type KeyStatus = "valid" | "expired" | "revoked";

export type Key = {
  id: string;
  name: string;
  account: string;
  expires_at: string | null;
  revoked: boolean;
  status: KeyStatus;
};

export type CreatedKey = {
  id: string;
  name: string;
  account: string;
  expires_at: string | null;
  revoked: boolean;
  status: KeyStatus;
  key: string;
};

export type Keys = {
  keys: Array<Key>;
};

export type Generation = {
  id: string;
  account: string;
  status: State;
  model: string;
  prompt: string;
  size: string;
  quality: string;
  n: number;
  async: boolean;
  references: number;
  tier: string;
  aspect_ratio: string;
  credits: number;
  credits_requested: number;
  delivered: number;
  polls: number;
  created_at: string;
  due_at: string | null;
  ended_at: string | null;
  outcome: string | null;
  error: string | null;
  progress: number | null;
  images: Array<{
    url: string;
    preview_path: string;
    media_type: string;
    width: number;
    height: number;
  }>;
};

export type Generations = {
  total: number;
  more: boolean;
  generations: Array<Generation>;
};

export type Provider = {
  script: Array<string>;
  used: number;
};

export type FaultTypes = {
  faults: Array<{
    name: string;
    summary: string;
    target: "provider" | "transport";
    phases: Array<"before" | "after">;
    argument: {
      kind: "duration" | "number";
      example: string;
      minimum: number;
      maximum: number;
    } | null;
  }>;
  operations: Array<string>;
};

export type Faults = {
  faults: Array<{
    number: number;
    fault: string;
    operation: string | null;
    prompt: string | null;
    times: number | null;
    p: number;
    nth: number | null;
    expires_at: string | null;
    evaluated: number;
    fired: number;
    armed_after: number;
  }>;
};

export type Clock = {
  kind: "manual" | "system";
  mode: string | null;
  now: string;
  next_event: string | null;
};

export type Headers = Record<string, string>;

export type Body = {
  length: number;
  text: string | null;
  sha256: string | null;
};

export type ExchangeSummary = {
  number: number;
  timestamp: string;
  method: string;
  target: string;
  operation: string | null;
  account: string | null;
  key: string | null;
  generation: string | null;
  status: number;
  code: string | null;
  state: string | null;
  reason: string | null;
  credits: number;
  faults: Array<string>;
  milliseconds: number;
  client_disconnected: boolean;
};

export type Exchange = {
  number: number;
  timestamp: string;
  method: string;
  target: string;
  operation: string | null;
  account: string | null;
  key: string | null;
  generation: string | null;
  status: number;
  code: string | null;
  state: string | null;
  reason: string | null;
  credits: number;
  faults: Array<string>;
  milliseconds: number;
  client_disconnected: boolean;
  spec_violation: string | null;
  raw_target: string;
  fields: Array<{
    name: string;
    value: string | number | boolean | null;
  }>;
  request: Message;
  response: Message;
};

export type ExchangeDetail = {
  exchange: Exchange;
  curl: string;
};

export type Message = {
  headers: Headers;
  body: Body;
};

export type Journal = {
  total: number;
  stored: number;
  journal: JournalVersion;
  exchanges: Array<Exchange | ExchangeSummary>;
};

export type JournalVersion = string;

export type Event = {
  exchanges: Array<ExchangeSummary>;
  left_out: number;
  total: number;
  changed: Array<"generations" | "accounts" | "faults" | "clock">;
  cleared: boolean;
  journal: JournalVersion;
};

export type Har = {
  log: Record<string, unknown>;
};

export type Counts = Record<string, number>;

export type Report = {
  hub: string;
  exchanges: number;
  stored: number;
  findings: Array<{
    kind: string;
    severity: "violation" | "money" | "warning" | "hint";
    summary: string;
    impact: string;
    suggestion: string;
    exchange_numbers: Array<number>;
    credits: number;
  }>;
  coverage: {
    covered: number;
    total: number;
    operations: Counts;
    statuses: Record<string, Counts>;
    codes: Counts;
    states: Counts;
    outcomes: Record<string, Counts>;
    undocumented: Counts;
    uncovered: Array<string>;
  };
};
