/**
 * The synthetic peers of one root: each has its own identity and its own IPv4 address, really says HELLO and answers
 * the root's own, so that the root learns a direct path. They share two UDP sockets, one of which belongs to the pair
 * whose packets measure latency. Nothing here waits: `poll` takes what has come.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Identity } from "../../src/identity/identity.ts";
import { randomFill } from "../../src/io/random.ts";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import { destinationOf, sourceOf } from "../../src/protocol/packet.ts";
import { LatencyHistogram } from "../udp/report.ts";
import { SyntheticPeer, Tally } from "../udp/synthetic-peer.ts";
import { type FrameEnds, PACKET_HEAD_BYTES, PAYLOAD_OFFSET, writeHeaders, writePacketHead } from "./frames.ts";
import type { Link } from "./lab.ts";
import { closeDescriptor, mapRegion, openFrameSocket, openUdpSocket, receiveInto, sendBytes } from "./libc.ts";
import { peerIp } from "./peer-address.ts";

const DATAGRAM_BYTES = 2048;
const HELLO_RETRY_MS = 5000;
/** The root asks back when it hears something, so peers that wait for that say something this often. */
const CONFIRM_RETRY_MS = 2000;
/** At most so many datagrams per `poll`, so that whoever polls gets on. */
const POLL_DATAGRAMS = 64;
const PROGRESS_INTERVAL_MS = 5000;
const PROBE_BYTES = 200;
/** Of the identities, the two that measure latency; the others follow. */
export const PROBERS = 2;

export interface CrowdOptions {
  readonly link: Link;
  readonly root: Identity;
  readonly rootPort: number;
  /** Local port of the peers; the next one is the probers'. */
  readonly port: number;
  /** With their secrets. The first two are the probers. */
  readonly identities: readonly Identity[];
}

/** All peers of a root. Peer 0 is the first that is no prober. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #tally = new Tally();
  readonly #peers: (SyntheticPeer | undefined)[] = [];
  readonly #byAddress = new Map<number, SyntheticPeer>();
  readonly #frames: number;
  readonly #socket: number;
  readonly #probeSocket: number;
  readonly #inbox = mapRegion(DATAGRAM_BYTES);
  readonly #probe: Uint8Array;
  readonly #probeTime: DataView;
  #latency = new LatencyHistogram();
  probesSent = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#frames = openFrameSocket(options.link.interfaceIndex);
    this.#socket = openUdpSocket(options.port);
    this.#probeSocket = openUdpSocket(options.port + 1);
    const [from, to] = options.identities;
    if (from === undefined || to === undefined) throw new RangeError("a crowd needs two identities at least");
    this.#probe = this.#frame(0, PROBE_BYTES);
    writePacketHead(this.#probe, PAYLOAD_OFFSET, 1n, to.address, from.address, false);
    this.#probeTime = new DataView(this.#probe.buffer, PAYLOAD_OFFSET + PACKET_HEAD_BYTES, 8);
  }

  /** Peers there are identities for, the probers not counted. */
  get size(): number {
    return this.#options.identities.length - PROBERS;
  }

  /** Address of peer `index`. */
  address(index: number): number {
    return this.#options.identities[index + PROBERS]!.address;
  }

  /** Where datagrams of peer `index` come from and go to; there need be no identity for it. */
  ends(index: number): FrameEnds {
    return this.#ends(index + PROBERS);
  }

  /** Peers from `start` to `end` that the root has answered. */
  greeted(start: number, end: number): number {
    let count = 0;
    for (let i = start; i < end; i++) if (this.#peers[i + PROBERS]?.greeted) count++;
    return count;
  }

  /**
   * Has the probers and the peers up to `count` greet and be asked back, at most for `seconds`. Returns how many of
   * the `count` the root holds a path to.
   */
  async greet(count: number, seconds: number, progress: (confirmed: number) => void): Promise<number> {
    const all = Array.from({ length: count + PROBERS }, (_, index) => this.#peer(index));
    const saidAt = new Map<SyntheticPeer, number>();
    const deadline = performance.now() + seconds * 1000;
    let told = performance.now();
    for (let now = performance.now(); now < deadline; now = performance.now()) {
      const waiting = all.filter((peer) => !peer.confirmed);
      if (waiting.length === 0) break;
      let said = 0;
      for (const peer of waiting) {
        const retry = peer.greeted ? CONFIRM_RETRY_MS : HELLO_RETRY_MS;
        if (now - (saidAt.get(peer) ?? Number.NEGATIVE_INFINITY) < retry) continue;
        saidAt.set(peer, now);
        peer.sayHello(Date.now());
        if (++said >= 8) break;
      }
      if (now - told > PROGRESS_INTERVAL_MS) {
        told = now;
        progress(all.length - waiting.length);
      }
      await sleep(5);
      while (this.poll() > 0);
    }
    await sleep(50);
    return all.slice(PROBERS).filter((peer) => peer.confirmed).length;
  }

  /** Has all peers that were greeted say HELLO again, so that no path grows old. */
  async refresh(): Promise<void> {
    let said = 0;
    for (const peer of this.#peers) {
      if (peer === undefined || !peer.greeted) continue;
      peer.sayHello(Date.now());
      if (++said % 16 === 0) {
        await sleep(2);
        while (this.poll() > 0);
      }
    }
    await sleep(50);
    while (this.poll() > 0);
  }

  /** Peer `index` says HELLO. */
  hello(index: number): void {
    this.#peer(index + PROBERS).sayHello(Date.now());
  }

  /** Makes peers from `start` to `end` ready, so that saying HELLO costs no key agreement. */
  prepare(start: number, end: number): void {
    for (let i = start; i < end; i++) this.#peer(i + PROBERS);
  }

  /** Sends one probe for latency from the first prober to the second. */
  sendProbe(): void {
    this.#probeTime.setFloat64(0, performance.now());
    if (sendBytes(this.#frames, this.#probe)) this.probesSent++;
  }

  /** Takes the latencies recorded so far, and starts anew. */
  takeLatency(): LatencyHistogram {
    const taken = this.#latency;
    this.#latency = new LatencyHistogram();
    this.probesSent = 0;
    return taken;
  }

  /** Takes probes that have arrived. Cheap if there are none. */
  pollProbes(): void {
    for (let left = POLL_DATAGRAMS; left > 0; left--) {
      const length = receiveInto(this.#probeSocket, this.#inbox.address, DATAGRAM_BYTES);
      if (length < 0) return;
      this.#arrived(length);
    }
  }

  /** Takes what has arrived. Returns how many datagrams that was. */
  poll(): number {
    this.pollProbes();
    let taken = 0;
    for (; taken < POLL_DATAGRAMS; taken++) {
      const length = receiveInto(this.#socket, this.#inbox.address, DATAGRAM_BYTES);
      if (length < 0) break;
      this.#arrived(length);
    }
    return taken;
  }

  close(): void {
    for (const descriptor of [this.#frames, this.#socket, this.#probeSocket]) closeDescriptor(descriptor);
  }

  #arrived(length: number): void {
    const bytes = this.#inbox.bytes.subarray(0, length);
    if (length < PACKET_HEAD_BYTES) return;
    if (sourceOf(bytes) === this.#options.root.address) {
      this.#byAddress.get(destinationOf(bytes))?.receive(Uint8Array.from(bytes), Date.now());
    } else if (length === PROBE_BYTES) {
      const sentAt = new DataView(bytes.buffer, bytes.byteOffset + PACKET_HEAD_BYTES, 8).getFloat64(0);
      this.#latency.record(performance.now() - sentAt);
    }
  }

  #ends(index: number): FrameEnds {
    const { link, port, rootPort } = this.#options;
    return {
      sourceMac: link.generatorMac,
      targetMac: link.rootMac,
      sourceIp: peerIp(index),
      targetIp: link.rootIp,
      sourcePort: index < PROBERS ? port + 1 : port,
      targetPort: rootPort,
    };
  }

  #frame(index: number, payloadBytes: number): Uint8Array {
    const frame = new Uint8Array(PAYLOAD_OFFSET + payloadBytes);
    writeHeaders(frame, 0, this.#ends(index), payloadBytes, 0);
    return frame;
  }

  #peer(index: number): SyntheticPeer {
    const known = this.#peers[index];
    if (known !== undefined) return known;
    const { root, rootPort, link, identities } = this.#options;
    const ip = new Uint8Array(4);
    new DataView(ip.buffer).setUint32(0, link.rootIp);
    const peer = new SyntheticPeer({
      identity: identities[index]!,
      root,
      target: makeEndpoint(ip, rootPort),
      run: 0,
      armored: false,
      random: randomFill,
      tally: this.#tally,
      send: (payload) => {
        const frame = this.#frame(index, payload.length);
        frame.set(payload, PAYLOAD_OFFSET);
        sendBytes(this.#frames, frame);
      },
    });
    this.#peers[index] = peer;
    this.#byAddress.set(peer.identity.address, peer);
    return peer;
  }
}
