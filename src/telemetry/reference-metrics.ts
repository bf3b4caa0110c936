/**
 * The metric families of the reference, so that its dashboards and scripts keep working: names, labels, help texts,
 * types and order are those of metrics.md ("Node"). Names without `_total` and milliseconds as a unit are theirs.
 *
 * The families by network are declared and empty until this node joins one. The families by peer are empty unless
 * the operator opts in: a root has as many peers as it has clients, and a series for each would be the largest thing
 * in anybody's Prometheus (metrics.ts has the cap). Of these, packets and packet errors are always empty: they would
 * need counters for each peer.
 */
import { formatAddress } from "../protocol/address.ts";
import { ErrorCode, VERB_NAMES } from "../protocol/verbs.ts";
import { counter, gauge, type HistogramMetric, type MetricDefinition } from "./definition.ts";

/**
 * Labels of ERROR packets by code; codes 1 and 2 have none. The reference has a ninth label that no code of the wire
 * carries; it exists and stays 0.
 */
const ERROR_TYPES: readonly (readonly [label: string, code: ErrorCode | null])[] = [
  ["obj_not_found", ErrorCode.OBJ_NOT_FOUND],
  ["unsupported_operation", ErrorCode.UNSUPPORTED_OPERATION],
  ["identity_collision", ErrorCode.IDENTITY_COLLISION],
  ["need_membership_certificate", ErrorCode.NEED_MEMBERSHIP_CERTIFICATE],
  ["network_access_denied", ErrorCode.NETWORK_ACCESS_DENIED],
  ["unwanted_multicast", ErrorCode.UNWANTED_MULTICAST],
  ["authentication_required", ErrorCode.NETWORK_AUTHENTICATION_REQUIRED],
  ["internal_server_error", null],
];

/** Observed once per keep-alive round of each shown peer; unknown latency counts as 65535, as in the reference. */
export const PEER_LATENCY: HistogramMetric = {
  name: "zt_peer_latency",
  help: "peer latency (ms)",
  type: "histogram",
  labels: ["node_id"],
  buckets: [1, 3, 6, 10, 30, 60, 100, 300, 600, 1000],
};

/** The `zt_*` families in the order in which the reference prints them. */
export const REFERENCE_METRICS: readonly MetricDefinition[] = [
  counter("zt_packet", "ZeroTier packet type counts", {
    labels: ["direction", "packet_type"],
    read: ({ statistics }, put) => {
      VERB_NAMES.forEach((name, verb) => {
        if (name === undefined) return;
        put(statistics.packetsIn[verb] ?? 0, { direction: "rx", packet_type: name });
        put(statistics.packetsOut[verb] ?? 0, { direction: "tx", packet_type: name });
      });
    },
  }),
  counter("zt_packet_error", "ZeroTier packet errors", {
    labels: ["direction", "error_type"],
    read: ({ statistics }, put) => {
      for (const [label, code] of ERROR_TYPES) {
        put(code === null ? 0 : (statistics.errorsIn[code] ?? 0), { direction: "rx", error_type: label });
        put(code === null ? 0 : (statistics.errorsOut[code] ?? 0), { direction: "tx", error_type: label });
      }
    },
  }),
  counter("zt_data", "number of bytes ZeroTier has transmitted or received", {
    labels: ["direction", "protocol"],
    read: ({ source }, put) => {
      put(source.transport.bytesIn, { direction: "rx", protocol: "udp" });
      put(source.transport.bytesOut, { direction: "tx", protocol: "udp" });
      put(0, { direction: "rx", protocol: "tcp" });
      put(0, { direction: "tx", protocol: "tcp" });
    },
  }),
  gauge("zt_num_networks", "number of networks this instance is joined to", { read: (_reading, put) => put(0) }),
  gauge("zt_network_multicast_groups_subscribed", "number of multicast groups networks are subscribed to", {
    labels: ["network_id"],
    read: () => {},
  }),
  counter("zt_network_packets", "number of incoming/outgoing packets per network", {
    labels: ["accepted", "direction", "network_id"],
    read: () => {},
  }),
  PEER_LATENCY,
  gauge("zt_peer_path_count", "number of paths to peer", {
    labels: ["node_id", "status"],
    read: ({ shownPeers }, put) => {
      for (const { address, paths } of shownPeers) {
        const node_id = formatAddress(address);
        const dead = paths.filter((path) => path.expired).length;
        put(paths.length - dead, { node_id, status: "alive" });
        put(dead, { node_id, status: "dead" });
      }
    },
  }),
  counter("zt_peer_packets", "number of packets to/from a peer", { labels: ["direction", "node_id"], read: () => {} }),
  counter("zt_peer_packet_errors", "number of incoming packet errors from a peer", {
    labels: ["node_id"],
    read: () => {},
  }),
];
