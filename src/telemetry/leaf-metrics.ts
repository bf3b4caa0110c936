/** What the leaf tells: frames, why some go nowhere, credentials, and how full its bounded tables are. */
import { NETWORK_STATUSES } from "../leaf/network.ts";
import { counter, gauge, type MetricDefinition, putEach } from "./definition.ts";

export const LEAF_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_networks_joined", "Networks that this node has joined, by what has become of it.", {
    labels: ["status"],
    read: ({ source }, put) => {
      const counts = Object.fromEntries(NETWORK_STATUSES.map((status) => [status.toLowerCase(), 0]));
      for (const { status } of source.leaf.networks()) counts[status.toLowerCase()]!++;
      putEach(put, "status", counts);
    },
  }),
  counter("orrery_frames_total", "Ethernet frames that passed between interfaces and networks.", {
    labels: ["direction"],
    read: ({ source }, put) => {
      const { framesIn, framesOut } = source.leaf.statistics;
      putEach(put, "direction", { in: framesIn, out: framesOut });
    },
  }),
  counter("orrery_frame_bytes_total", "Bytes of these frames, headers included.", {
    labels: ["direction"],
    read: ({ source }, put) => {
      const { bytesIn, bytesOut } = source.leaf.statistics;
      putEach(put, "direction", { in: bytesIn, out: bytesOut });
    },
  }),
  counter("orrery_frame_drops_total", "Frames that went nowhere, by reason.", {
    labels: ["direction", "reason"],
    read: ({ source }, put) => {
      putEach(put, "reason", source.leaf.statistics.dropsIn, { direction: "in" });
      putEach(put, "reason", source.leaf.statistics.dropsOut, { direction: "out" });
    },
  }),
  counter(
    "orrery_credentials_shown_total",
    "Certificates, tags and the like that members showed us, by what came of it.",
    {
      labels: ["result"],
      read: ({ source }, put) => putEach(put, "result", source.leaf.statistics.credentials),
    },
  ),
  counter("orrery_traces_sent_total", "Traces that our networks' configurations ask for, by what came of them.", {
    labels: ["result"],
    read: ({ source }, put) => putEach(put, "result", source.leaf.statistics.traces),
  }),
  counter("orrery_leaf_packets_total", "Packets that a member sends besides frames.", {
    labels: ["kind"],
    read: ({ source }, put) => {
      const { configRequests, credentialPushes, announcements, gathers } = source.leaf.statistics;
      putEach(put, "kind", {
        config_request: configRequests,
        credentials: credentialPushes,
        multicast_like: announcements,
        multicast_gather: gathers,
      });
    },
  }),
  counter("orrery_configs_received_total", "Configurations that came from controllers.", {
    labels: ["result"],
    read: ({ source }, put) => {
      const { configsApplied, configsRefused } = source.leaf.statistics;
      putEach(put, "result", { applied: configsApplied, refused: configsRefused });
    },
  }),
  gauge("orrery_leaf_entries", "Entries of the leaf's bounded tables, over all networks.", {
    labels: ["table"],
    read: ({ source }, put) => putEach(put, "table", source.leaf.gauges()),
  }),
  counter("orrery_leaf_evictions_total", "Entries that made room for others, or were not taken.", {
    labels: ["table"],
    read: ({ source }, put) => putEach(put, "table", source.leaf.evictions()),
  }),
  counter("orrery_interface_frames_total", "Frames read from and written to network interfaces.", {
    labels: ["event"],
    read: ({ source }, put) => {
      const none = { framesRead: 0, framesWritten: 0, framesDropped: 0, writeErrors: 0, stalls: 0 };
      const { framesRead, framesWritten, framesDropped, writeErrors, stalls } = source.interfaces() ?? none;
      putEach(put, "event", {
        read: framesRead,
        written: framesWritten,
        dropped: framesDropped,
        write_error: writeErrors,
        stall: stalls,
      });
    },
  }),
];
