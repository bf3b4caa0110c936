/** What datagrams over TCP tell: the tunnel that this node uses, and the relay that it is for others. */
import { counter, gauge, type MetricDefinition, putEach } from "./definition.ts";

const TUNNEL_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_tunnel_open", "1 while packets of this node go through a TCP relay, because UDP seems to be blocked.", {
    read: ({ source }, put) => put(Number(source.tcp.tunnelIsOpen)),
  }),
  counter("orrery_tunnel_attempts_total", "Attempts to open a tunnel to the TCP relay.", {
    read: ({ source }, put) => put(source.tcp.tunnel.attempts),
  }),
  counter("orrery_tunnel_ends_total", "Tunnels that ended, and attempts that failed, by reason.", {
    labels: ["reason"],
    read: ({ source }, put) => putEach(put, "reason", source.tcp.tunnel.ends),
  }),
  counter("orrery_tunnel_packets_total", "Datagrams through the tunnel.", {
    labels: ["direction"],
    read: ({ source: { tcp } }, put) =>
      putEach(put, "direction", { rx: tcp.tunnel.datagramsIn, tx: tcp.tunnel.datagramsOut }),
  }),
  counter("orrery_tunnel_bytes_total", "Bytes of these datagrams.", {
    labels: ["direction"],
    read: ({ source: { tcp } }, put) => putEach(put, "direction", { rx: tcp.tunnel.bytesIn, tx: tcp.tunnel.bytesOut }),
  }),
  counter("orrery_tunnel_drops_total", "Datagrams that the tunnel was for and did not carry, by reason.", {
    labels: ["reason"],
    read: ({ source }, put) => putEach(put, "reason", source.tcp.tunnel.drops),
  }),
];

const RELAY_METRICS: readonly MetricDefinition[] = [
  gauge("orrery_tcp_relay_connections", "Clients that are connected to the TCP relay of this node.", {
    read: ({ source }, put) => put(source.tcp.relay.open),
  }),
  counter("orrery_tcp_relay_accepted_total", "Connections that the TCP relay accepted.", {
    read: ({ source }, put) => put(source.tcp.relay.accepted),
  }),
  counter("orrery_tcp_relay_refused_total", "Connections that were one too many, by the bound that they met.", {
    labels: ["bound"],
    read: ({ source }, put) => putEach(put, "bound", source.tcp.relay.refused),
  }),
  counter("orrery_tcp_relay_ended_total", "Connections to the TCP relay that ended, by reason.", {
    labels: ["reason"],
    read: ({ source }, put) => putEach(put, "reason", source.tcp.relay.ended),
  }),
  counter("orrery_tcp_relay_packets_total", "Datagrams from clients of the TCP relay (rx) and to them (tx).", {
    labels: ["direction"],
    read: ({ source: { tcp } }, put) =>
      putEach(put, "direction", { rx: tcp.relay.datagramsIn, tx: tcp.relay.datagramsOut }),
  }),
  counter("orrery_tcp_relay_bytes_total", "Bytes of these datagrams.", {
    labels: ["direction"],
    read: ({ source: { tcp } }, put) => putEach(put, "direction", { rx: tcp.relay.bytesIn, tx: tcp.relay.bytesOut }),
  }),
  counter("orrery_tcp_relay_drops_total", "Datagrams that the TCP relay did not carry, by reason.", {
    labels: ["reason"],
    read: ({ source }, put) => putEach(put, "reason", source.tcp.relay.drops),
  }),
];

/** Zeros on a node that has neither. */
export const TCP_METRICS: readonly MetricDefinition[] = [...TUNNEL_METRICS, ...RELAY_METRICS];
