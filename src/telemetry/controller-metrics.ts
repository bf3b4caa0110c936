/**
 * What the controller tells: the reference's families under its names (metrics.md, "Controller"), as far as they say
 * something true here, and ours. Without the role there are no samples. The reference counts an authorization with every
 * save of an authorized member; here it counts when somebody is let in.
 */
import { counter, gauge, type HistogramMetric, type MetricDefinition, putEach, type Reading } from "./definition.ts";

/** From a change until the configuration that has it is sent to an online member. */
export const CONFIG_PUSH: HistogramMetric = {
  name: "orrery_config_push_seconds",
  help: "Time from a change of a network or member until an online member was sent its configuration.",
  type: "histogram",
  labels: [],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
};

type ControllerReading = NonNullable<Reading["source"]["controller"]>;

/** Reads the controller if there is one. */
function of(read: (controller: ControllerReading, put: Parameters<MetricRead>[1]) => void): MetricRead {
  return ({ source }, put) => {
    if (source.controller !== null) read(source.controller, put);
  };
}
type MetricRead = (reading: Reading, put: (value: number, labels?: Readonly<Record<string, string>>) => void) => void;

const REFERENCE: readonly MetricDefinition[] = [
  gauge("controller_network_count", "number of networks the controller is serving", {
    read: of(({ counts }, put) => put(counts.networks)),
  }),
  gauge("controller_member_count", "number of network members the controller is serving", {
    read: of(({ counts }, put) => put(counts.members)),
  }),
  counter("controller_network_change_count", "number of times a network configuration is changed", {
    read: of(({ statistics }, put) => put(statistics.networkChanges)),
  }),
  counter("controller_member_change_count", "number of times a network member configuration is changed", {
    read: of(({ statistics }, put) => put(statistics.memberChanges)),
  }),
  counter("controller_member_auth_count", "number of network member auths", {
    read: of(({ statistics }, put) => put(statistics.authorizations)),
  }),
  counter("controller_member_deauth_count", "number of network member deauths", {
    read: of(({ statistics }, put) => put(statistics.deauthorizations)),
  }),
  gauge(
    "controller_network_config_request_queue",
    "number of entries in the request queue for network configurations",
    { read: of(({ statistics }, put) => put(statistics.underWay)) },
  ),
  counter("controller_network_config_request", "count of config requests handled", {
    read: of(({ statistics: { requests, pushes } }, put) => {
      put(
        requests.issued +
          requests.denied +
          requests.not_found +
          requests.wrong_identity +
          requests.authenticate +
          pushes.sent,
      );
    }),
  }),
];

const OURS: readonly MetricDefinition[] = [
  counter("orrery_config_requests_total", "Configuration requests, by what came of them.", {
    labels: ["result"],
    read: of(({ statistics }, put) => putEach(put, "result", statistics.requests)),
  }),
  counter("orrery_config_pushes_total", "Configurations sent because something changed, and what became of them.", {
    labels: ["event"],
    read: of(({ statistics }, put) => putEach(put, "event", statistics.pushes)),
  }),
  CONFIG_PUSH,
  gauge("orrery_controller_entries", "Entries of the controller's bounded tables and queues.", {
    labels: ["table"],
    read: of(({ gauges }, put) =>
      putEach(put, "table", {
        sessions: gauges.sessions,
        pushes_waiting: gauges.pushesWaiting,
        pushes_unacknowledged: gauges.pushesUnacknowledged,
        revocations: gauges.revocationsPending,
      }),
    ),
  }),
  counter("orrery_revocations_sent_total", "Packets that told a member of revocations.", {
    read: of(({ statistics }, put) => put(statistics.revocationsSent)),
  }),
  counter("orrery_strangers_total", "Unknown nodes that made room for others, or were not written down.", {
    labels: ["event"],
    read: of(({ statistics }, put) => putEach(put, "event", statistics.strangers)),
  }),
  counter("orrery_traces_received_total", "Traces that members sent to this controller, by what came of them.", {
    labels: ["result"],
    read: of(({ statistics }, put) => putEach(put, "result", statistics.traces)),
  }),
  counter("orrery_address_pool_exhausted_total", "Times a member got no address because the pools were full.", {
    read: of(({ statistics }, put) => put(statistics.poolExhausted)),
  }),
  gauge("orrery_database_bytes", "Size of orrery.db with its write-ahead log.", {
    read: of(({ database }, put) => put(database.bytes)),
  }),
  counter("orrery_api_token_checks_total", "Requests that showed an API token, by what came of it.", {
    labels: ["result"],
    read: of(({ api }, put) => putEach(put, "result", api.tokenChecks)),
  }),
  gauge("orrery_api_tokens", "API tokens that exist.", { read: of(({ api }, put) => put(api.tokenCount)) }),
  gauge("orrery_event_watchers", "Connections that watch the event stream.", {
    read: of(({ api }, put) => put(api.watchers)),
  }),
  counter("orrery_event_watchers_too_slow_total", "Watchers that were let go because they read too slowly.", {
    read: of(({ api }, put) => put(api.watchersTooSlow)),
  }),
  counter("orrery_api_requests_total", "Requests to /api/v1, by what they are about and whether they were done.", {
    labels: ["outcome", "route"],
    read: of(({ api }, put) => {
      for (const [route, count] of Object.entries(api.requests)) {
        const refused = api.refused[route as keyof typeof api.refused];
        put(count - refused, { outcome: "done", route });
        put(refused, { outcome: "refused", route });
      }
    }),
  }),
];

/** The reference's first, in its order. */
export const CONTROLLER_METRICS: readonly MetricDefinition[] = [...REFERENCE, ...OURS];
