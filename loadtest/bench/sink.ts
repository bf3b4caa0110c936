/**
 * The sink: an nftables rule on the generator's side of a link that counts what was relayed and drops it before any
 * socket sees it. What the root itself says, and the probes for latency, pass. A group of datagrams that a root sends
 * in one piece arrives as one; the bytes tell how many they were.
 */
import { execFileSync } from "node:child_process";
import type { Address } from "../../src/protocol/address.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { IP_UDP_BYTES } from "./frames.ts";
import type { Link } from "./lab.ts";

/** Bits from the start of the UDP header to the source in a ZeroTier packet. */
const SOURCE_BITS = (8 + 13) * 8;
const ADDRESS_BITS = 40;

/** Since the sink was made. A group counts as one arrival. */
export interface SinkCount {
  readonly arrivals: number;
  /** Of UDP payload, in all. */
  readonly payloadBytes: number;
}

/** Arrivals and bytes (IP and UDP headers of each arrival included) to what was delivered. */
export function payloadBytesOf(arrivals: number, ipBytes: number): number {
  return ipBytes - arrivals * IP_UDP_BYTES;
}

/** Reads the figures of counter `name` from `nft -j list counters`. */
export function parseCounter(json: string, name: string): { packets: number; bytes: number } {
  const listed = JSON.parse(json) as { nftables: { counter?: { name: string; packets: number; bytes: number } }[] };
  for (const { counter } of listed.nftables) if (counter?.name === name) return counter;
  throw new Error(`nftables has no counter ${name}`);
}

/** Counts and drops what one root relays. */
export class Sink {
  readonly #table: string;

  /** Takes everything for `port` that comes from the root, except packets of the root's own address. */
  constructor(link: Link, root: Address, port: number) {
    this.#table = `bench_${link.interfaceName}`;
    // Named once so that it is there to be deleted: a sink of an earlier root on this link goes away.
    const rules = `table netdev ${this.#table}
delete table netdev ${this.#table}
table netdev ${this.#table} {
  counter relayed { }
  chain incoming {
    type filter hook ingress device "${link.interfaceName}" priority 0; policy accept;
    meta protocol != ip accept
    meta l4proto != udp accept
    @th,${SOURCE_BITS},${ADDRESS_BITS} 0x${formatAddress(root)} accept
    udp dport ${port} counter name relayed drop
  }
}`;
    execFileSync("nft", ["-f", "-"], { input: rules, stdio: ["pipe", "ignore", "pipe"] });
  }

  read(): SinkCount {
    const json = execFileSync("nft", ["-j", "list", "counters", "table", "netdev", this.#table], { encoding: "utf8" });
    const { packets, bytes } = parseCounter(json, "relayed");
    return { arrivals: packets, payloadBytes: payloadBytesOf(packets, bytes) };
  }
}
