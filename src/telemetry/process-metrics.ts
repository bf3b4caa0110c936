/** What the edge of the process tells: sockets, identity pool, peer cache, event loop and the process itself. */
import { performance } from "node:perf_hooks";
import type { TransportStatistics } from "../io/transport.ts";
import { counter, gauge, type HistogramMetric, type MetricDefinition, putEach } from "./definition.ts";

/** How late the loop of the main thread wakes up (event-loop.ts); every received datagram waits at least that long. */
export const EVENT_LOOP_LAG: HistogramMetric = {
  name: "orrery_event_loop_lag_seconds",
  help: "How late timers of the main thread fire: the delay that its work adds to everything else.",
  type: "histogram",
  labels: [],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
};

/** The codes of the transport, the system's and its own, under causes that an operator can tell apart. */
const SEND_ERROR_CAUSES: Readonly<Record<string, readonly string[]>> = {
  unreachable: [
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ENETDOWN",
    "EHOSTDOWN",
    "EADDRNOTAVAIL",
    "ECONNREFUSED",
    "EAFNOSUPPORT",
  ],
  forbidden: ["EPERM", "EACCES"],
  full: ["EAGAIN", "EWOULDBLOCK", "ENOBUFS", "ENOMEM", "QUEUE_FULL"],
  oversize: ["EMSGSIZE"],
  no_socket: ["NO_SOCKET", "EBADF"],
  bad_endpoint: ["BAD_ENDPOINT", "EINVAL"],
};

function sendErrorsByCause({ sendErrors, sendErrorsByCode }: TransportStatistics): Record<string, number> {
  const causes: Record<string, number> = {};
  let other = sendErrors;
  for (const [cause, codes] of Object.entries(SEND_ERROR_CAUSES)) {
    const count = codes.reduce((sum, code) => sum + (sendErrorsByCode[code] ?? 0), 0);
    causes[cause] = count;
    other -= count;
  }
  causes["other"] = Math.max(0, other);
  return causes;
}

const TRANSPORT_METRICS: readonly MetricDefinition[] = [
  counter("orrery_transport_bytes_total", "UDP payload received and sent.", {
    labels: ["direction"],
    read: ({ source: { transport } }, put) =>
      putEach(put, "direction", { rx: transport.bytesIn, tx: transport.bytesOut }),
  }),
  counter("orrery_transport_datagrams_total", "Datagrams received and sent.", {
    labels: ["direction"],
    read: ({ source: { transport } }, put) =>
      putEach(put, "direction", { rx: transport.datagramsIn, tx: transport.datagramsOut }),
  }),
  counter("orrery_transport_send_errors_total", "Datagrams that were not sent, by cause.", {
    labels: ["cause"],
    read: ({ source }, put) => putEach(put, "cause", sendErrorsByCause(source.transport)),
  }),
  counter("orrery_transport_receive_errors_total", "Errors that sockets reported while receiving.", {
    read: ({ source }, put) => put(source.transport.receiveErrors),
  }),
  counter("orrery_transport_receive_drops_total", "Datagrams that the kernel dropped for want of receive buffer.", {
    read: ({ source }, put) => put(source.receiveDrops()),
  }),
  gauge("orrery_transport_sockets", "UDP sockets open.", {
    read: ({ source }, put) => put(source.transport.buffers.length),
  }),
  gauge("orrery_transport_bind_problems", "Addresses that should be bound and could not be.", {
    read: ({ source }, put) => put(source.transport.problems.length),
  }),
  gauge(
    "orrery_transport_receive_buffer_bytes",
    "Receive buffer of the socket with the smallest one: asked and granted.",
    {
      labels: ["size"],
      read: ({ source }, put) => {
        const { buffers } = source.transport;
        putEach(put, "size", {
          asked: buffers.reduce((least, { askedBytes }) => Math.min(least, askedBytes), buffers[0]?.askedBytes ?? 0),
          granted: buffers.reduce(
            (least, { grantedBytes }) => Math.min(least, grantedBytes),
            buffers[0]?.grantedBytes ?? 0,
          ),
        });
      },
    },
  ),
];

const STORE_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_identity_validation_queue", "Identities that wait for a thread of the validation pool.", {
    read: ({ source }, put) => put(source.identityPool.queued),
  }),
  gauge("orrery_identity_validation_threads", "Threads of the validation pool.", {
    read: ({ source }, put) => put(source.identityPool.threads),
  }),
  counter("orrery_peer_cache_writes_total", "Groups of changes written to the peer cache.", {
    read: ({ source }, put) => put(source.cache.commits),
  }),
  counter("orrery_peer_cache_write_errors_total", "Writes of the peer cache that failed; they are tried again.", {
    read: ({ source }, put) => put(source.cache.failures),
  }),
  counter(
    "orrery_peer_cache_compactions_total",
    "Times that the file of the peer cache was rewritten to make it small.",
    {
      read: ({ source }, put) => put(source.cache.compactions),
    },
  ),
  gauge("orrery_peer_cache_pending", "Changes of peers that are not on disk yet.", {
    read: ({ source }, put) => put(source.cache.pending),
  }),
  gauge("orrery_peer_cache_bytes", "Size of the peer cache on disk.", {
    read: ({ source }, put) => put(source.cache.fileBytes),
  }),
];

const PROCESS_METRICS: readonly MetricDefinition[] = [
  EVENT_LOOP_LAG,
  counter("orrery_event_loop_seconds_total", "Time of the main thread, working and waiting.", {
    labels: ["state"],
    read: (_reading, put) => {
      const { active, idle } = performance.eventLoopUtilization();
      putEach(put, "state", { active: active / 1000, idle: idle / 1000 });
    },
  }),
  counter("orrery_process_cpu_seconds_total", "Processor time of all threads, user and system.", {
    read: (_reading, put) => {
      const { user, system } = process.cpuUsage();
      put((user + system) / 1e6);
    },
  }),
  gauge("orrery_process_resident_memory_bytes", "Resident memory of the process.", {
    read: (_reading, put) => put(process.memoryUsage.rss()),
  }),
  gauge("orrery_process_heap_bytes", "JavaScript heap of the main thread, in use.", {
    read: (_reading, put) => put(process.memoryUsage().heapUsed),
  }),
  gauge("orrery_process_open_fds", "Open file descriptors; -1 where the system does not tell.", {
    read: ({ source }, put) => put(source.openFiles()),
  }),
  gauge("orrery_process_start_time_seconds", "When the process started, as a Unix time.", {
    read: (_reading, put) => put(performance.timeOrigin / 1000),
  }),
];

/** Families of the edge: transport, identity pool and peer cache, event loop and process. */
export const EDGE_METRICS: readonly MetricDefinition[] = [...TRANSPORT_METRICS, ...STORE_METRICS, ...PROCESS_METRICS];
