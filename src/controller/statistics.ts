/** What a controller counts: plain numbers, read at scrape time. Closed lists, no addresses as labels. */

/** What came of a configuration request. */
export const REQUEST_RESULTS = [
  "issued", // a configuration was sent
  "denied", // not authorized
  "not_found", // no such network
  "wrong_identity", // the address is known with other keys
  "authenticate", // single sign-on is required and not done
  "rate_limited", // within a second of the last one
  "overloaded", // too many under way
  "malformed",
  "foreign", // a network of another controller
  "failed", // something went wrong inside; see the log
] as const;
export type RequestResult = (typeof REQUEST_RESULTS)[number];

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

/** What came of a trace that a member sent. */
export const TRACE_RESULTS = ["shown", "rate_limited", "unknown_member", "malformed"] as const;

export class ControllerStatistics {
  readonly requests = zeros(REQUEST_RESULTS);
  /** Requests being worked on. */
  underWay = 0;
  networkChanges = 0;
  memberChanges = 0;
  authorizations = 0;
  deauthorizations = 0;
  /** Configurations sent because something changed, and how many of these were sent again for want of an answer. */
  readonly pushes = { sent: 0, repeated: 0, acknowledged: 0, given_up: 0 };
  /** NETWORK_CREDENTIALS packets with revocations. */
  revocationsSent = 0;
  /** Records of strangers that made room for others, and strangers that were not recorded. */
  readonly strangers = { evicted: 0, unrecorded: 0 };
  readonly traces = zeros(TRACE_RESULTS);
  /** Members for whom no free managed address was found. */
  poolExhausted = 0;
}
