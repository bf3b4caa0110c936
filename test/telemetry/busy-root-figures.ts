/**
 * What the metrics of the busy root must say of what happened to it (busy-root.ts): four clients, two pairs, one of
 * which went direct, a planet of which one client has an older version, and six datagrams of rubbish. Metrics of which nothing happened
 * there are not in the list.
 */

/** One series, and the bounds of its value. */
export interface Figure {
  readonly of: string;
  readonly from: number;
  readonly to: number;
}

const CLIENTS = 4;
const ENOUGH = Number.POSITIVE_INFINITY;

/** The figures once a pair counts as direct, a few seconds sooner or later. */
export function expectedFigures(): Figure[] {
  const now = Date.now() / 1000;
  const exactly = (of: string, value: number): Figure => ({ of, from: value, to: value });
  const atLeast = (of: string, from: number): Figure => ({ of, from, to: ENOUGH });
  const between = (of: string, from: number, to: number): Figure => ({ of, from, to });
  return [
    exactly("orrery_online", 1),
    exactly("orrery_root", 1),
    exactly("orrery_upstreams", 0),
    ...["known", "active", "reachable"].map((state) => exactly(`orrery_peers{state="${state}"}`, CLIENTS)),
    exactly('orrery_peers{state="idle"}', 0),
    between("orrery_paths", CLIENTS, 2 * CLIENTS),

    exactly('orrery_hello_total{result="accepted"}', CLIENTS),
    exactly('orrery_hello_total{result="malformed"}', 1),
    between('zt_packet{direction="rx",packet_type="hello"}', CLIENTS, 100),
    between('zt_packet{direction="tx",packet_type="ok"}', 2 * CLIENTS, 1000),
    between('zt_packet{direction="rx",packet_type="ok"}', CLIENTS, 1000),
    between('zt_packet{direction="rx",packet_type="whois"}', CLIENTS, 1000),
    between('zt_packet{direction="tx",packet_type="rendezvous"}', CLIENTS, 100),
    between('zt_packet{direction="rx",packet_type="echo"}', 1, 1000),
    exactly('zt_packet{direction="rx",packet_type="user_message"}', 0),
    between('orrery_whois_requests_total{result="answered"}', CLIENTS, 100),
    exactly('orrery_auth_failures_total{stage="packet_mac"}', 1),
    exactly('orrery_auth_failures_total{stage="unknown_source"}', 1),

    exactly('orrery_drops_total{plane="node",reason="runt"}', 1),
    exactly('orrery_drops_total{plane="node",reason="bad_mac"}', 1),
    exactly('orrery_drops_total{plane="node",reason="unknown_source"}', 1),
    exactly('orrery_drops_total{plane="relay",reason="hop_limit"}', 1),
    exactly('orrery_drops_total{plane="relay",reason="unknown_destination"}', 1),

    exactly('orrery_table_entries{table="peers"}', CLIENTS),
    exactly('orrery_table_entries{table="peer_cache"}', CLIENTS),
    between('orrery_table_entries{table="pairs"}', 1, 2),
    ...["peers", "pairs", "validations", "reassemblies", "multicast_members", "peer_cache"].map((table) =>
      atLeast(`orrery_table_limit{table="${table}"}`, 1000),
    ),

    atLeast("orrery_relay_packets_total", 100),
    atLeast("orrery_relay_bytes_total", 20_000),
    atLeast("orrery_relay_fragments_total", 4),
    between("orrery_relay_punted_total", CLIENTS, 1000),
    exactly("orrery_relay_upstream_total", 0),
    between("orrery_relay_pairs_active", 1, 2),
    between('orrery_rendezvous_sent_total{family="ipv4"}', 2, 20),
    between('orrery_rendezvous_sent_total{family="ipv6"}', 2, 20),
    between("orrery_introductions_total", 2, 10),
    exactly("orrery_introductions_postponed_total", 0),
    exactly("orrery_pairs_evicted_total", 0),
    exactly('orrery_pairs_total{outcome="direct"}', 1),
    between('orrery_pairs_total{outcome="relayed"}', 0, 1),
    between("orrery_direct_ratio", 0.5, 1),
    exactly("orrery_time_to_direct_seconds_count", 1),
    between("orrery_time_to_direct_seconds_sum", 0, 20),

    exactly('orrery_worlds_held{kind="planet"}', 1),
    exactly('orrery_worlds_held{kind="moon"}', 0),
    between('orrery_world_timestamp_seconds{kind="planet"}', now - 300, now),
    between('orrery_world_adoption_peers{kind="planet",version="current"}', CLIENTS - 1, CLIENTS),
    between('orrery_world_adoption_peers{kind="planet",version="older"}', 0, 1),
    between('orrery_world_adoption_ratio{kind="planet"}', 0.75, 1),
    exactly("orrery_worlds_sent_total", 1),

    ...["rx", "tx"].flatMap((direction) => [
      atLeast(`zt_data{direction="${direction}",protocol="udp"}`, 20_000),
      atLeast(`orrery_transport_bytes_total{direction="${direction}"}`, 20_000),
      atLeast(`orrery_transport_datagrams_total{direction="${direction}"}`, 100),
    ]),
    exactly("orrery_transport_sockets", 2),
    exactly("orrery_transport_bind_problems", 0),
    exactly("orrery_transport_receive_errors_total", 0),
    exactly("orrery_transport_receive_drops_total", 0),
    exactly('orrery_transport_send_errors_total{cause="other"}', 0),

    exactly("orrery_identity_validation_queue", 0),
    between("orrery_identity_validation_threads", 1, 1024),
    between("orrery_peer_cache_writes_total", 1, 100),
    exactly("orrery_peer_cache_write_errors_total", 0),
    between("orrery_peer_cache_bytes", CLIENTS * 71, 100_000),

    atLeast("orrery_event_loop_lag_seconds_count", 100),
    between("orrery_event_loop_lag_seconds_sum", 0.001, 1000),
    between('orrery_event_loop_seconds_total{state="active"}', 0.05, 1000),
    between('orrery_event_loop_seconds_total{state="idle"}', 1, 1000),
    between("orrery_process_cpu_seconds_total", 0.1, 1000),
    between("orrery_process_resident_memory_bytes", 20e6, 1e9),
    between("orrery_process_heap_bytes", 1e6, 1e9),
    between("orrery_process_open_fds", 10, 1000),
    between("orrery_process_start_time_seconds", now - 300, now),
  ];
}
