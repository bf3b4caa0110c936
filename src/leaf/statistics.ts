/** What the leaf counts. Plain numbers, incremented in place and read when somebody asks. */

/** Why a frame of our interface went nowhere. */
export const OUTGOING_DROPS = [
  "not_configured",
  "not_a_bridge", // another source MAC than ours, and we may not bridge
  "broadcast_off",
  "multicast_off",
  "no_bridge", // a host behind a bridge, and there is none
  "rules",
  "redirected",
] as const;
export type OutgoingDrop = (typeof OUTGOING_DROPS)[number];

/** Why a frame that came in was not delivered. */
export const INCOMING_DROPS = [
  "not_joined",
  "not_admitted", // the sender has shown no certificate that agrees with ours
  "malformed",
  "bad_mac", // a MAC that the sender may not use, or that we are not
  "multicast_off",
  "rules",
  "too_long", // longer than the interface's MTU
] as const;
export type IncomingDrop = (typeof INCOMING_DROPS)[number];

/** Results of credentials shown to us. */
export const CREDENTIAL_RESULTS = ["new", "redundant", "rejected", "deferred", "malformed"] as const;

/** What came of a trace that a network's configuration asks for. */
export const TRACE_RESULTS = ["sent", "rate_limited"] as const;

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

export class LeafStatistics {
  framesOut = 0;
  bytesOut = 0;
  framesIn = 0;
  bytesIn = 0;
  readonly dropsOut = zeros(OUTGOING_DROPS);
  readonly dropsIn = zeros(INCOMING_DROPS);
  readonly credentials = zeros(CREDENTIAL_RESULTS);
  readonly traces = zeros(TRACE_RESULTS);
  configRequests = 0;
  configsApplied = 0;
  configsRefused = 0;
  credentialPushes = 0;
  announcements = 0;
  gathers = 0;

  dropOut(reason: OutgoingDrop): void {
    this.dropsOut[reason]++;
  }

  dropIn(reason: IncomingDrop): void {
    this.dropsIn[reason]++;
  }
}
