/** What a node does for its ways through NATs besides what it sends: ports, and what routers grant. */
import { MAPPING_PROTOCOLS } from "../io/mapping.ts";
import { counter, gauge, type MetricDefinition } from "./definition.ts";

export const NAT_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_port_mapped", "1 for the protocol by which the router forwards a port to this node now.", {
    labels: ["protocol"],
    read: ({ source: { nat } }, put) => {
      for (const protocol of MAPPING_PROTOCOLS) put(Number(nat.mapping.mapped === protocol), { protocol });
    },
  }),
  counter("orrery_port_mapping_requests_total", "Requests to routers to forward a port, renewals included.", {
    labels: ["protocol", "result"],
    read: ({ source: { nat } }, put) => {
      for (const protocol of MAPPING_PROTOCOLS) {
        const { granted, refused } = nat.mapping.requests[protocol];
        put(granted, { protocol, result: "granted" });
        put(refused, { protocol, result: "refused" });
      }
    },
  }),
  counter("orrery_secondary_port_changes_total", "Other secondary ports taken, after long offline or after a sleep.", {
    read: ({ source: { nat } }, put) => put(nat.portChanges),
  }),
];
