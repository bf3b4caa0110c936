/** What bonds tell: how many there are, what they are made of, and what became of their packets. */
import { counter, gauge, type MetricDefinition, putEach } from "./definition.ts";

export const BOND_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_bonds", "Peers that are bonded, by the policy that theirs is made from.", {
    labels: ["policy"],
    read: ({ source, now }, put) => putEach(put, "policy", source.bonds.gauges(now).bonds),
  }),
  gauge("orrery_bond_links", "Links of all bonds: alive were heard within their failover interval.", {
    labels: ["state"],
    read: ({ source, now }, put) => putEach(put, "state", { ...source.bonds.gauges(now).links }),
  }),
  gauge("orrery_bond_flows", "Flows that are remembered to be on a link.", {
    read: ({ source, now }, put) => put(source.bonds.gauges(now).flows),
  }),
  counter("orrery_bond_events_total", "What bonds did, by kind.", {
    labels: ["event"],
    read: ({ source }, put) => {
      const { failovers, copies, duplicates, flowsMoved, probes, refused } = source.bonds.statistics;
      putEach(put, "event", { failover: failovers, copy: copies, duplicate: duplicates });
      putEach(put, "event", { flow_moved: flowsMoved, probe: probes, refused });
    },
  }),
  counter("orrery_bond_reports_total", "Reports of what came when (QOS_MEASUREMENT), by what became of them.", {
    labels: ["result"],
    read: ({ source }, put) => {
      const { reportsIn, reportsOut, reportsRefused } = source.bonds.statistics;
      putEach(put, "result", { received: reportsIn, sent: reportsOut, refused: reportsRefused });
    },
  }),
];
