/**
 * What a node counts. Plain numbers, incremented in place and read at scrape time (telemetry/metrics.ts turns
 * them into metrics): nothing is allocated and no label is looked up per packet. Every list here is closed.
 */

/** Results of HELLOs that we received. */
export const HELLO_RESULTS = [
  "known", // from a peer we knew, MAC right
  "accepted", // identity validated, peer added
  "refused_identity", // address does not follow from the key
  "collision", // known address, other key
  "bad_mac",
  "malformed",
  "old_protocol",
  "rate_limited", // source prefix or whole node over its budget of unknown identities
  "queue_full", // the validation pool has no room
] as const;
export type HelloResult = (typeof HELLO_RESULTS)[number];

export const WHOIS_RESULTS = ["answered", "asked_upstream", "unknown", "rate_limited", "malformed"] as const;

/** Why a datagram was dropped, at the node or at the relay. */
export const DROP_REASONS = [
  "runt", // too short to be anything
  "malformed", // a decoder refused the payload
  "bad_mac",
  "bad_cipher", // suite 4…7, or suite 2 without a trusted path
  "bad_fragment",
  "bad_compression",
  "from_self", // our own address as source
  "reserved_address",
  "unknown_source", // could not be authenticated in time
  "hop_limit",
  "unknown_destination", // no path, no upstream
  "not_upstream", // relaying asked of a node that is no root
  "unexpected_reply", // OK to a packet that we did not send
  "queue_full",
  "blacklisted",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export const RATE_GATES = ["identity", "whois", "echo", "push_direct_paths", "network_credentials", "beacon"] as const;

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

/** All counters of one node; monotonic unless said otherwise. */
export class NodeStatistics {
  /** Authenticated packets handled, by verb number. */
  readonly packetsIn = new Float64Array(32);
  /** Packets composed and sent, by verb number. */
  readonly packetsOut = new Float64Array(32);
  /** ERROR packets by error code. */
  readonly errorsIn = new Float64Array(16);
  readonly errorsOut = new Float64Array(16);
  readonly hello = zeros(HELLO_RESULTS);
  readonly whois = zeros(WHOIS_RESULTS);
  readonly drops = zeros(DROP_REASONS);
  readonly rateLimited = zeros(RATE_GATES);
  /** RENDEZVOUS packets sent, by address family of the address told. */
  readonly rendezvous = { ipv4: 0, ipv6: 0 };
  /**
   * Pairs introduced, and what became of them; introductions that had to wait for others; pairs forgotten while they
   * were relayed, because too many are.
   */
  readonly pairs = { introduced: 0, direct: 0, relayed: 0, postponed: 0, evicted: 0 };
  /** Worlds handed out inside OK(HELLO). */
  worldsSent = 0;
  /** Peers thrown out because the table was full. */
  peersEvicted = 0;
}

/** Gauges of one node, computed when asked (at scrape time). */
export interface NodeGauges {
  /** Identities in memory. */
  peersKnown: number;
  /** Heard from within 500 s. */
  peersActive: number;
  /** With an unexpired direct path. */
  peersReachable: number;
  /** Known only from the cache, silent since. */
  peersIdle: number;
  paths: number;
  upstreams: number;
  online: boolean;
  /** Pairs relayed within the last 15 s. */
  relayPairsActive: number;
  validationsPending: number;
  reassemblies: number;
  packetsWaiting: number;
  whoisPending: number;
  multicastGroups: number;
  multicastMembers: number;
  /** Active peers by what their HELLO said about each world we serve. */
  adoption: readonly WorldAdoption[];
  /** Bounds of the tables above, by the same names. */
  limits: Readonly<Record<"peers" | "pairs" | "validations" | "reassemblies" | "multicastMembers", number>>;
}

/** Who has which version of one world that we hold. */
export interface WorldAdoption {
  readonly id: bigint;
  readonly kind: "planet" | "moon";
  readonly timestamp: bigint;
  /** Active peers whose last HELLO told this version, an older one, a newer one, or no version of it. */
  readonly current: number;
  readonly older: number;
  readonly newer: number;
  readonly without: number;
}
