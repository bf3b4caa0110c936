/**
 * The tunnel of a node whose UDP is blocked, as one more local socket: it stands between the node and its sockets, adds
 * the tunnel as a way where the policy says so, and hands on what comes through it, with the sender's true address.
 * Facts: vl1-behaviour.md §7.1. Ours: roots count whatever their scope, so that a planet on private addresses is helped,
 * too; a tunnel that says nothing is given up.
 */
import type { StreamEvents } from "../io/stream.ts";
import type { Datagram, LocalSocket, Millis, Outbox, Timed } from "../node/ports.ts";
import { BY_TUNNEL, BY_UDP, OPEN_TUNNEL, TunnelPolicy } from "../node/tunnel-policy.ts";
import { MAX_PHYSICAL_MTU_BYTES } from "../protocol/constants.ts";
import { type Endpoint, IpScope, ipScope } from "../protocol/inet-address.ts";
import {
  decodeTunnelPayload,
  encodeTunnelDatagram,
  encodeTunnelGreeting,
  TunnelParser,
} from "../protocol/tcp-tunnel.ts";

/** The socket of what comes through the tunnel. Transports number theirs from 1. */
export const TUNNEL_SOCKET = 0;
/** Shorter datagrams are no packets. */
const MIN_DATAGRAM_BYTES = 16;
/** While so much waits to be sent, more is dropped: what is late is of no use to anybody. */
const MAX_QUEUED_BYTES = 65_536;
const CONNECT_TIMEOUT_MS = 10_000;
/** An open tunnel through which nothing comes for so long is dead: roots answer a node that sends every few seconds. */
const SILENT_MS = 45_000;
const TICK_MS = 1000;

export const TUNNEL_DROPS = ["queue_full", "not_open", "unsuitable", "malformed", "no_source"] as const;
export type TunnelDrop = (typeof TUNNEL_DROPS)[number];
export const TUNNEL_ENDS = ["failed", "lost", "direct_again", "switched_off"] as const;
export type TunnelEnd = (typeof TUNNEL_ENDS)[number];

/** Monotonic. */
export class TunnelStatistics {
  /** Attempts to open it, and how it ended each time. */
  attempts = 0;
  readonly ends = Object.fromEntries(TUNNEL_ENDS.map((end) => [end, 0])) as Record<TunnelEnd, number>;
  datagramsIn = 0;
  datagramsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly drops = Object.fromEntries(TUNNEL_DROPS.map((drop) => [drop, 0])) as Record<TunnelDrop, number>;
}

/** What is needed of a connection to the proxy (`Stream` of io/stream.ts). */
export interface TunnelStream {
  write(bytes: Uint8Array): void;
  /** Bytes that the system has not taken yet. */
  readonly queuedBytes: number;
  /** Ends it at once; nothing is told any more. */
  close(): void;
}

export interface TunnelOptions {
  /** The sockets. */
  readonly outbox: Outbox;
  /** Begins to connect to the proxy. */
  readonly connect: (events: StreamEvents) => TunnelStream;
  /** What came through the tunnel goes here. */
  readonly deliver: (datagram: Datagram) => void;
  /** False while there is to be no tunnel: for a root, and with bonds. */
  readonly mayBe: () => boolean;
  /** True for the IPs of roots. */
  readonly isRoot: (ip: Uint8Array) => boolean;
  readonly forced: boolean;
  readonly clock: () => Millis;
  /** Told when it opens and ends. */
  readonly changed?: (state: "open" | TunnelEnd, code: string | null) => void;
}

export class Tunnel implements Outbox, Timed {
  readonly statistics = new TunnelStatistics();
  readonly #options: TunnelOptions;
  readonly #outbox: Outbox;
  readonly #policy: TunnelPolicy;
  #stream: TunnelStream | null = null;
  #isOpen = false;
  #connectingSince: Millis = 0;
  /** When something last came through it, or it was opened. */
  #aliveAt: Millis = 0;
  #nextTick: Millis;
  /** The same bytes are sent from each socket in turn; they go through the tunnel once. */
  #lastBytes: Uint8Array | null = null;
  #lastTo: Endpoint | null = null;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#outbox = options.outbox;
    const now = options.clock();
    this.#policy = new TunnelPolicy(options.forced, now);
    this.#nextTick = now;
  }

  /** True while datagrams go through it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  sockets(): readonly LocalSocket[] {
    return this.#outbox.sockets();
  }

  send(socket: number, to: Endpoint, bytes: Uint8Array, ttl?: number): void {
    const how = ttl === undefined ? this.#how(to, bytes) : this.#options.forced ? 0 : BY_UDP;
    if ((how & BY_UDP) !== 0) this.#byUdp(socket, to, bytes, ttl);
    if ((how & BY_TUNNEL) !== 0) this.#byTunnel(to, bytes);
  }

  sendPieces(socket: number, to: Endpoint, pieces: readonly Uint8Array[]): void {
    const direct = socket !== TUNNEL_SOCKET && this.#policy.udpWillDo(this.#options.clock());
    if (direct && this.#outbox.sendPieces !== undefined) this.#outbox.sendPieces(socket, to, pieces);
    else for (const piece of pieces) this.send(socket, to, piece);
  }

  /** Every datagram that came by UDP has to be shown: from somewhere that counts, it says that UDP works. */
  heard({ from }: Datagram): void {
    const now = this.#options.clock();
    if (this.#policy.heardJustNow(now) || !this.#counts(from)) return;
    this.#policy.heard(now);
    // At once: until then everything would go both ways, and arrive twice.
    if (this.#stream !== null && this.#policy.isSuperfluous(now)) this.#end("direct_again", null);
  }

  tick(now: Millis): void {
    if (now < this.#nextTick) return;
    this.#nextTick = now + TICK_MS;
    this.#policy.look(now);
    if (this.#stream === null) return;
    if (!this.#options.mayBe()) this.#end("switched_off", null);
    else if (!this.#isOpen && now - this.#connectingSince >= CONNECT_TIMEOUT_MS) this.#end("failed", "ETIMEDOUT");
    else if (this.#isOpen && now - this.#aliveAt >= SILENT_MS) this.#end("lost", "ETIMEDOUT");
  }

  nextDeadline(): Millis {
    return this.#nextTick;
  }

  /** For good. */
  close(): void {
    if (this.#stream !== null) this.#end("switched_off", null);
  }

  #counts({ ip }: Endpoint): boolean {
    return ipScope(ip) === IpScope.GLOBAL || this.#options.isRoot(ip);
  }

  /** What the policy wants for a datagram. */
  #how(to: Endpoint, bytes: Uint8Array): number {
    const { clock, forced, mayBe } = this.#options;
    const now = clock();
    if (this.#policy.udpWillDo(now) || !mayBe()) return BY_UDP;
    const fits = to.family === 4 && bytes.length >= MIN_DATAGRAM_BYTES && bytes.length <= MAX_PHYSICAL_MTU_BYTES;
    if (!fits || (!forced && !this.#counts(to))) {
      if (!forced) return BY_UDP;
      this.statistics.drops.unsuitable++;
      return 0;
    }
    const how = this.#policy.sending(this.#isOpen, now);
    if ((how & OPEN_TUNNEL) !== 0 && this.#stream === null) this.#open(now);
    else if (how === 0 || how === OPEN_TUNNEL) this.statistics.drops.not_open++;
    return how;
  }

  /** A path through the tunnel has no socket of its own: by UDP it is every socket, since any may have been let through. */
  #byUdp(socket: number, to: Endpoint, bytes: Uint8Array, ttl: number | undefined): void {
    if (socket !== TUNNEL_SOCKET) return this.#outbox.send(socket, to, bytes, ttl);
    for (const { id, local } of this.#outbox.sockets()) {
      if (local.family === to.family) this.#outbox.send(id, to, bytes, ttl);
    }
  }

  #byTunnel(to: Endpoint, bytes: Uint8Array): void {
    if (bytes === this.#lastBytes && to === this.#lastTo) return;
    this.#lastBytes = bytes;
    this.#lastTo = to;
    if (this.#stream!.queuedBytes >= MAX_QUEUED_BYTES) {
      this.statistics.drops.queue_full++;
      return;
    }
    this.statistics.datagramsOut++;
    this.statistics.bytesOut += bytes.length;
    this.#stream!.write(encodeTunnelDatagram(to, bytes));
  }

  #open(now: Millis): void {
    this.statistics.attempts++;
    this.#connectingSince = now;
    const parser = new TunnelParser();
    const take = (payload: Uint8Array) => this.#arrived(payload);
    this.#stream = this.#options.connect({
      opened: () => {
        this.#isOpen = true;
        this.#aliveAt = this.#options.clock();
        this.#stream?.write(encodeTunnelGreeting());
        this.#options.changed?.("open", null);
      },
      data: (bytes) => {
        if (parser.push(bytes, take)) return;
        this.statistics.drops.malformed++;
        this.#end("lost", "EPROTO");
      },
      closed: (code) => this.#end(this.#isOpen ? "lost" : "failed", code),
    });
  }

  #arrived(payload: Uint8Array): void {
    const decoded = decodeTunnelPayload(payload);
    if (!decoded.ok || decoded.value.kind !== "datagram") {
      this.statistics.drops.malformed++;
      return;
    }
    const { endpoint: from, bytes } = decoded.value;
    if (from === null) {
      this.statistics.drops.no_source++;
      return;
    }
    this.#policy.works();
    this.#aliveAt = this.#options.clock();
    this.statistics.datagramsIn++;
    this.statistics.bytesIn += bytes.length;
    // The parser's memory is used again, and parts of a packet may be kept (a configuration's chunks).
    this.#options.deliver({ bytes: new Uint8Array(bytes), from, socket: TUNNEL_SOCKET });
  }

  #end(how: TunnelEnd, code: string | null): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#isOpen = false;
    this.#lastBytes = null;
    this.#lastTo = null;
    if (how === "failed" || how === "lost") this.#policy.failed(this.#options.clock());
    this.statistics.ends[how]++;
    stream?.close();
    this.#options.changed?.(how, code);
  }
}
