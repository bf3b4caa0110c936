/**
 * What the node and the relay tell: our own families, in base units, with closed label sets. Every sample with a fixed
 * label exists from the start, so that a rate is 0 and not "no data" until something happens.
 */
import { DROP_REASONS, type DropReason } from "../node/statistics.ts";
import { PROTOCOL_VERSION } from "../protocol/constants.ts";
import {
  counter,
  gauge,
  type HistogramMetric,
  type MetricDefinition,
  type Put,
  putEach,
  type Reading,
} from "./definition.ts";

/** From the introduction of a pair until its relay traffic stops. Most NATs open within the first two tries. */
export const TIME_TO_DIRECT: HistogramMetric = {
  name: "orrery_time_to_direct_seconds",
  help: "Time from the introduction of a pair until it stopped using the relay.",
  type: "histogram",
  labels: [],
  buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60],
};

const WORLD_KINDS = ["planet", "moon"] as const;

/** For what each plane drops. A series that can never move would promise a check that nobody makes. */
const PLANE_DROPS: Readonly<Record<"node" | "relay", readonly DropReason[]>> = {
  node: [
    "runt",
    "malformed",
    "bad_mac",
    "bad_cipher",
    "bad_fragment",
    "bad_compression",
    "from_self",
    "reserved_address",
    "unknown_source",
    "unknown_destination",
    "unexpected_reply",
    "queue_full",
    "blacklisted",
  ],
  relay: [
    "runt",
    "from_self",
    "reserved_address",
    "hop_limit",
    "unknown_destination",
    "not_upstream",
    "blacklisted",
    "queue_full",
  ],
};

/** The reasons of a plane, and whatever else it counted all the same: nothing that was dropped goes untold. */
function putDrops(put: Put, plane: "node" | "relay", drops: Readonly<Record<DropReason, number>>): void {
  for (const reason of DROP_REASONS) {
    if (drops[reason] > 0 || PLANE_DROPS[plane].includes(reason)) put(drops[reason], { plane, reason });
  }
}

/** Adoption of the worlds of one kind: peers by version, and the smallest share that is current. */
function adoptionOf({ gauges }: Reading, kind: "planet" | "moon") {
  const worlds = gauges.adoption.filter((world) => world.kind === kind);
  const sum = { current: 0, older: 0, newer: 0, without: 0 };
  let ratio = Number.NaN;
  for (const world of worlds) {
    for (const version of ["current", "older", "newer", "without"] as const) sum[version] += world[version];
    const peers = world.current + world.older + world.newer + world.without;
    if (peers > 0) ratio = Math.min(Number.isNaN(ratio) ? 1 : ratio, world.current / peers);
  }
  return { held: worlds.length > 0, sum, ratio };
}

const IDENTITY_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_build_info", "Always 1; the labels tell what is running.", {
    labels: ["node", "protocol", "version"],
    read: ({ source }, put) =>
      put(1, { node: process.versions.node, protocol: String(PROTOCOL_VERSION), version: source.version }),
  }),
  gauge("orrery_online", "1 while this node is a root or hears from one.", {
    read: ({ gauges }, put) => put(Number(gauges.online)),
  }),
  gauge("orrery_root", "1 while a world that this node holds lists it as a root.", {
    read: ({ source }, put) => put(Number(source.node.isUpstream())),
  }),
  gauge("orrery_upstreams", "Roots of the held worlds other than this node.", {
    read: ({ gauges }, put) => put(gauges.upstreams),
  }),
  gauge("orrery_peers", "Peers by state. States overlap: every active peer is also known.", {
    labels: ["state"],
    read: ({ gauges }, put) =>
      putEach(put, "state", {
        known: gauges.peersKnown,
        active: gauges.peersActive,
        reachable: gauges.peersReachable,
        idle: gauges.peersIdle,
      }),
  }),
  gauge("orrery_paths", "Physical paths to peers, expired ones included.", {
    read: ({ gauges }, put) => put(gauges.paths),
  }),
  counter("orrery_peers_evicted_total", "Peers thrown out because the table was full.", {
    read: ({ statistics }, put) => put(statistics.peersEvicted),
  }),
  gauge(
    "orrery_peer_series_omitted",
    "Peers without zt_peer_* series because of the cap; 0 while the series are off.",
    {
      read: ({ omittedPeers }, put) => put(omittedPeers),
    },
  ),
];

const CONTROL_METRICS: readonly MetricDefinition[] = [
  counter("orrery_hello_total", "HELLO packets received, by what came of them.", {
    labels: ["result"],
    read: ({ statistics }, put) => putEach(put, "result", statistics.hello),
  }),
  counter("orrery_whois_requests_total", "Addresses asked for by WHOIS, by what came of it.", {
    labels: ["result"],
    read: ({ statistics }, put) => putEach(put, "result", statistics.whois),
  }),
  counter("orrery_auth_failures_total", "Refused for who the sender is, by the check that refused it.", {
    labels: ["stage"],
    read: ({ statistics: { hello, drops } }, put) =>
      putEach(put, "stage", {
        hello_mac: hello.bad_mac,
        identity: hello.refused_identity,
        collision: hello.collision,
        packet_mac: drops.bad_mac,
        unknown_source: drops.unknown_source,
      }),
  }),
  counter("orrery_rate_limited_total", "Requests refused by a budget, by gate.", {
    labels: ["gate"],
    read: ({ statistics }, put) => putEach(put, "gate", statistics.rateLimited),
  }),
  counter("orrery_drops_total", "Datagrams dropped, by reason and by the plane that dropped them.", {
    labels: ["plane", "reason"],
    read: ({ statistics, source }, put) => {
      putDrops(put, "node", statistics.drops);
      putDrops(put, "relay", source.relay.drops);
    },
  }),
  gauge("orrery_table_entries", "Entries of each bounded table.", {
    labels: ["table"],
    read: ({ gauges, source }, put) =>
      putEach(put, "table", {
        peers: gauges.peersKnown,
        pairs: gauges.relayPairsActive,
        validations: gauges.validationsPending,
        reassemblies: gauges.reassemblies,
        multicast_members: gauges.multicastMembers,
        peer_cache: source.cache.peers,
      }),
  }),
  gauge("orrery_table_limit", "Bound of each table of orrery_table_entries.", {
    labels: ["table"],
    read: ({ gauges: { limits }, source }, put) =>
      putEach(put, "table", {
        peers: limits.peers,
        pairs: limits.pairs,
        validations: limits.validations,
        reassemblies: limits.reassemblies,
        multicast_members: limits.multicastMembers,
        peer_cache: source.cache.maxPeers,
      }),
  }),
  gauge("orrery_waiting", "Things that wait for an answer from others, by what they wait for.", {
    labels: ["queue"],
    read: ({ gauges }, put) => putEach(put, "queue", { packets: gauges.packetsWaiting, whois: gauges.whoisPending }),
  }),
  gauge("orrery_multicast_groups", "Multicast groups that somebody told us to be in.", {
    read: ({ gauges }, put) => put(gauges.multicastGroups),
  }),
];

const RELAY_METRICS: readonly MetricDefinition[] = [
  counter("orrery_relay_packets_total", "Datagrams forwarded between peers, fragments included.", {
    read: ({ source }, put) => put(source.relay.forwardedPackets),
  }),
  counter("orrery_relay_bytes_total", "UDP payload forwarded between peers.", {
    read: ({ source }, put) => put(source.relay.forwardedBytes),
  }),
  counter("orrery_relay_fragments_total", "Those of orrery_relay_packets_total that were fragments.", {
    read: ({ source }, put) => put(source.relay.forwardedFragments),
  }),
  counter("orrery_relay_punted_total", "Datagrams that the relay plane handed to the node.", {
    read: ({ source }, put) => put(source.relay.punted),
  }),
  counter("orrery_relay_upstream_total", "Those of orrery_relay_packets_total that went to another root.", {
    read: ({ source }, put) => put(source.relay.forwardedToUpstream),
  }),
  gauge("orrery_relay_pairs_active", "Pairs of peers relayed within the last 15 seconds.", {
    read: ({ gauges }, put) => put(gauges.relayPairsActive),
  }),
  counter("orrery_rendezvous_sent_total", "RENDEZVOUS packets sent, by family of the address told.", {
    labels: ["family"],
    read: ({ statistics }, put) => putEach(put, "family", statistics.rendezvous),
  }),
  counter(
    "orrery_introductions_total",
    "Introductions of a pair; one that stays on the relay is introduced again after 30, 60, then every 120 seconds.",
    {
      read: ({ statistics }, put) => put(statistics.pairs.introduced),
    },
  ),
  counter("orrery_introductions_postponed_total", "Introductions that had to wait because too many were due at once.", {
    read: ({ statistics }, put) => put(statistics.pairs.postponed),
  }),
  counter("orrery_pairs_evicted_total", "Pairs forgotten while they were relayed, because the table was full.", {
    read: ({ statistics }, put) => put(statistics.pairs.evicted),
  }),
  counter(
    "orrery_pairs_total",
    "Pairs that met on the relay: direct once it fell silent for them, relayed if it still carries them a minute later.",
    {
      labels: ["outcome"],
      read: ({ statistics: { pairs } }, put) =>
        putEach(put, "outcome", { direct: pairs.direct, relayed: pairs.relayed }),
    },
  ),
  gauge("orrery_direct_ratio", "Share of the decided pairs since start that went direct; NaN before the first one.", {
    read: ({ statistics: { pairs } }, put) => put(pairs.direct / (pairs.direct + pairs.relayed)),
  }),
  TIME_TO_DIRECT,
];

const WORKER_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_relay_workers", "Threads that relay; 0 = the main thread does.", {
    read: ({ source }, put) => put(source.relayWorkers.workers),
  }),
  counter("orrery_relay_worker_restarts_total", "Relay threads that died and were started again.", {
    read: ({ source }, put) => put(source.relayWorkers.restarts),
  }),
  counter(
    "orrery_relay_batches_total",
    "System calls of the relay threads that received or sent something; datagrams divided by these is the batch size.",
    {
      labels: ["direction"],
      read: ({ source: { relayWorkers } }, put) =>
        putEach(put, "direction", { rx: relayWorkers.receiveCalls, tx: relayWorkers.sendCalls }),
    },
  ),
  counter(
    "orrery_relay_segmented_messages_total",
    "Messages that left as one and that the kernel cut into datagrams.",
    {
      read: ({ source }, put) => put(source.relayWorkers.segmentedMessages),
    },
  ),
  counter("orrery_relay_segmented_datagrams_total", "Datagrams of orrery_relay_segmented_messages_total.", {
    read: ({ source }, put) => put(source.relayWorkers.segmentedDatagrams),
  }),
  counter(
    "orrery_relay_segmented_refused_total",
    "Messages that the kernel refused to cut; their datagrams were sent one by one.",
    {
      read: ({ source }, put) => put(source.relayWorkers.segmentedRefused),
    },
  ),
];

const WORLD_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_worlds_held", "Worlds held, by kind.", {
    labels: ["kind"],
    read: ({ source }, put) => putEach(put, "kind", { planet: 1, moon: source.node.moons().length }),
  }),
  gauge("orrery_world_timestamp_seconds", "Version of the newest held world of each kind, as a Unix time.", {
    labels: ["kind"],
    read: ({ source }, put) => {
      const newestMoon = source.node
        .moons()
        .reduce((newest, { timestamp }) => (timestamp > newest ? timestamp : newest), 0n);
      put(Number(source.node.planet().timestamp) / 1000, { kind: "planet" });
      if (newestMoon > 0n) put(Number(newestMoon) / 1000, { kind: "moon" });
    },
  }),
  gauge("orrery_world_adoption_peers", "Active peers by the version they told of the worlds we serve.", {
    labels: ["kind", "version"],
    read: (reading, put) => {
      for (const kind of WORLD_KINDS) {
        const { held, sum } = adoptionOf(reading, kind);
        if (held) putEach(put, "version", sum, { kind });
      }
    },
  }),
  gauge(
    "orrery_world_adoption_ratio",
    "Share of active peers with our version, worst world of the kind; NaN without peers.",
    {
      labels: ["kind"],
      read: (reading, put) => {
        for (const kind of WORLD_KINDS) {
          const { held, ratio } = adoptionOf(reading, kind);
          if (held) put(ratio, { kind });
        }
      },
    },
  ),
  counter("orrery_worlds_sent_total", "Worlds handed out inside OK(HELLO).", {
    read: ({ statistics }, put) => put(statistics.worldsSent),
  }),
];

/** Families of the node: identity and peers, control plane, relay and its threads, worlds. */
export const ORRERY_METRICS: readonly MetricDefinition[] = [
  ...IDENTITY_METRICS,
  ...CONTROL_METRICS,
  ...RELAY_METRICS,
  ...WORKER_METRICS,
  ...WORLD_METRICS,
];
