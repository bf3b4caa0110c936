/**
 * The loop that joins a node to its sockets: each datagram is relayed, dropped or handed to the node; time is
 * handed in when it is due. One thread; the portable transport pushes datagrams, batched ones are polled by theirs.
 * Facts: design §4, §5; vl1-behaviour.md §4.1.
 */
import type { Node } from "../node/node.ts";
import type { Datagram, Millis, Outbox } from "../node/ports.ts";
import type { DropReason } from "../node/statistics.ts";
import { destinationOf, FRAGMENT_INDICATOR, SOURCE_OFFSET, sourceOf } from "../protocol/packet.ts";
import {
  addHop,
  DROP_FROM_SELF,
  DROP_HOP_LIMIT,
  DROP_RESERVED,
  decide,
  type OwnAddress,
  PUNT,
  UPSTREAM,
} from "../root/relay.ts";
import type { Root } from "../root/root.ts";
import { RelayCounterSet } from "./counters.ts";
import { type PeerTable, RouteView } from "./peer-table.ts";

/** Timers are coarse: nothing in the protocol is due more exactly than this. */
const MIN_WAIT_MS = 10;
const MAX_WAIT_MS = 1000;

export class Reactor {
  readonly counters = new RelayCounterSet();
  readonly #transport: Outbox;
  readonly #node: Node;
  readonly #root: Root;
  readonly #table: PeerTable;
  readonly #clock: () => Millis;
  readonly #self: OwnAddress;
  readonly #route = new RouteView();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: { transport: Outbox; node: Node; root: Root; table: PeerTable; clock: () => Millis }) {
    this.#transport = parts.transport;
    this.#node = parts.node;
    this.#root = parts.root;
    this.#table = parts.table;
    this.#clock = parts.clock;
    const { address } = parts.node.identity;
    this.#self = { high: Math.floor(address / 0x100000000), low: (address % 0x100000000) | 0 };
  }

  /** Starts handing time to the node. */
  start(): void {
    this.#tick();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** One datagram from the transport. */
  deliver(datagram: Datagram): void {
    const now = this.#clock();
    const { bytes } = datagram;
    const decision = decide(bytes, this.#table, this.#self, now);
    if (decision === PUNT) {
      this.counters.punted++;
      this.#node.receive(datagram, now);
      return;
    }
    if (decision >= 0 || decision === UPSTREAM) {
      if (!this.#node.topology.isUpstream) this.#drop("not_upstream");
      else if (this.#node.topology.physical.isBlacklisted(datagram.from)) this.#drop("blacklisted");
      else if (decision === UPSTREAM) this.#toUpstream(datagram, now);
      else this.#relay(decision, datagram, now);
      return;
    }
    this.#drop(DROPS[decision] ?? "runt");
  }

  #relay(slot: number, datagram: Datagram, now: Millis): void {
    const { bytes } = datagram;
    if (!this.#table.read(slot, this.#route)) return this.#drop("unknown_destination");
    addHop(bytes);
    this.#transport.send(this.#route.socket, this.#route, bytes);
    const fragment = this.#forwarded(bytes);
    if (fragment) return;
    const { from, socket } = datagram;
    this.#root.relayed(sourceOf(bytes), destinationOf(bytes), { from, socket, bytes: bytes.length }, now);
  }

  #toUpstream(datagram: Datagram, now: Millis): void {
    const fragment = datagram.bytes[SOURCE_OFFSET] === FRAGMENT_INDICATOR;
    const way = this.#root.upstreamFor(datagram, fragment, now);
    if (way === null) return this.#drop("unknown_destination");
    addHop(datagram.bytes);
    this.#transport.send(way.socket, way.endpoint, datagram.bytes);
    this.#forwarded(datagram.bytes);
    this.counters.forwardedToUpstream++;
  }

  #forwarded(bytes: Uint8Array): boolean {
    const fragment = bytes[SOURCE_OFFSET] === FRAGMENT_INDICATOR;
    this.counters.forwardedPackets++;
    this.counters.forwardedBytes += bytes.length;
    if (fragment) this.counters.forwardedFragments++;
    return fragment;
  }

  #drop(reason: DropReason): void {
    this.counters.drops[reason]++;
  }

  readonly #tick = (): void => {
    const now = this.#clock();
    this.#node.tick(now);
    this.#root.tick(now);
    const next = Math.min(this.#node.nextDeadline(), this.#root.nextDeadline());
    const wait = Math.min(Math.max(next - now, MIN_WAIT_MS), MAX_WAIT_MS);
    this.#timer = setTimeout(this.#tick, wait);
  };

  /** Time is due earlier than it seemed: a command gave the node something to do. */
  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#tick, 0);
  }
}

const DROPS: Readonly<Record<number, DropReason>> = {
  [DROP_HOP_LIMIT]: "hop_limit",
  [DROP_FROM_SELF]: "from_self",
  [DROP_RESERVED]: "reserved_address",
};
