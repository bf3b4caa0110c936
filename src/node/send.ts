/**
 * From a message to datagrams: builds, compresses and armours packets, chooses paths, fragments.
 * Two ways out: straight to a physical address (HELLO, ECHO, RENDEZVOUS, replies: never fragmented, always
 * armoured), and the general way to a peer (best path, else through a root; trusted paths and MTU apply).
 * Facts: vl1-behaviour.md §3.3, vl1-packets.md §3, vl1-identity-crypto.md §4, §8, §9.
 */
import type { Address } from "../protocol/address.ts";
import { armor, armorTrustedPath, PeerKey } from "../protocol/armor.ts";
import { compressPayload } from "../protocol/compression.ts";
import { evenPieceBytes, maxPacketBytes, splitPacket } from "../protocol/fragment.ts";
import { type Endpoint, endpointKey } from "../protocol/inet-address.ts";
import { markFragmented, newPacket, packetIdOf } from "../protocol/packet.ts";
import { Verb } from "../protocol/verbs.ts";
import { ExpectedReplies } from "./expected-replies.ts";
import { type Path, pathKey } from "./path.ts";
import type { Peer } from "./peer.ts";
import type { PeerBond } from "./peer-bond.ts";
import type { Millis, NodePorts } from "./ports.ts";
import type { NodeStatistics } from "./statistics.ts";
import type { Topology } from "./topology.ts";
import { invite } from "./unproven.ts";

const ID_BYTES = 8;
const ID_POOL_BYTES = 4096;
/** Verbs whose payload is worth an attempt at compression (crypto document §9). */
const COMPRESSIBLE = new Set<number>([
  Verb.MULTICAST_LIKE,
  Verb.NETWORK_CREDENTIALS,
  Verb.NETWORK_CONFIG_REQUEST,
  Verb.NETWORK_CONFIG,
  Verb.PUSH_DIRECT_PATHS,
  Verb.USER_MESSAGE,
]);
/** How often a memorized address is tried for a peer without a direct path. */
const MEMORIZED_TRY_MS = 30_000;
const EMPTY = new Uint8Array(0);

export class Sender {
  readonly expected = new ExpectedReplies();
  /** Sends a HELLO to an address (node/hello.ts); set by the node. */
  greet: (peer: Peer, socket: number | null, endpoint: Endpoint, now: Millis) => void = () => {};
  readonly #topology: Topology;
  readonly #ports: NodePorts;
  readonly #statistics: NodeStatistics;
  readonly #idPool = new Uint8Array(ID_POOL_BYTES);
  #idsUsed = ID_POOL_BYTES;

  constructor(topology: Topology, ports: NodePorts, statistics: NodeStatistics) {
    this.#topology = topology;
    this.#ports = ports;
    this.#statistics = statistics;
  }

  /** The agreed key with a peer; one X25519 the first time. */
  keyOf(peer: Peer): PeerKey {
    peer.key ??= new PeerKey(this.#topology.self.agree(peer.identity));
    return peer.key;
  }

  /** A fresh random packet id; a view that is valid until the next call. */
  packetId(): Uint8Array {
    if (this.#idsUsed >= ID_POOL_BYTES) {
      this.#ports.random(this.#idPool);
      this.#idsUsed = 0;
    }
    const id = this.#idPool.subarray(this.#idsUsed, this.#idsUsed + ID_BYTES);
    this.#idsUsed += ID_BYTES;
    return id;
  }

  /** A packet from us, not armoured yet. */
  compose(to: Address, verb: Verb, payload: Uint8Array): Uint8Array {
    this.#statistics.packetsOut[verb]!++;
    return newPacket(this.packetId(), to, this.#topology.self.address, verb, payload);
  }

  /** Composes and armours with the suite that the peer understands, or with the one named. */
  seal(peer: Peer, verb: Verb, payload: Uint8Array, suite?: 0 | 1): Uint8Array {
    const packet = this.compose(peer.address, verb, payload);
    armor(packet, this.keyOf(peer), suite ?? (peer.speaksAes ? 3 : 1));
    this.expected.add(packetIdOf(packet));
    return packet;
  }

  /** Puts finished bytes on a proven path. */
  onPath(path: Path, bytes: Uint8Array, now: Millis): void {
    path.lastOut = now;
    this.#ports.outbox.send(path.socket, path.endpoint, bytes);
  }

  /** Composes, armours and sends straight to an address, whatever the path table says. */
  direct(peer: Peer, socket: number, endpoint: Endpoint, verb: Verb, payload: Uint8Array): void {
    this.#ports.outbox.send(socket, endpoint, this.seal(peer, verb, payload));
  }

  /**
   * The general way. False when there is no way at all now (the caller queues). The peer must be known.
   * An empty ECHO or HELLO never goes this way. Frames are compressed as their network wants: `compress`.
   */
  toPeer(peer: Peer, verb: Verb, payload: Uint8Array, now: Millis, compress = isCompressible(verb, payload)): boolean {
    const { bond } = peer;
    const path = (bond === undefined ? null : bond.route(verb, payload, now)) ?? this.#route(peer, now);
    if (path === null) return false;
    let packet = this.compose(peer.address, verb, payload);
    if (compress) packet = compressPayload(packet);
    const mtu = (bond === undefined ? 0 : bond.mtu(path)) || this.#topology.physical.mtu(path.endpoint);
    if (packet.length > maxPacketBytes(mtu)) return false;
    if (packet.length > mtu) markFragmented(packet);
    const trusted = this.#topology.physical.trustedPathId(path.endpoint);
    if (trusted !== 0n) armorTrustedPath(packet, trusted);
    else {
      armor(packet, this.keyOf(peer), peer.speaksAes ? 3 : 1);
      this.expected.add(packetIdOf(packet));
    }
    if (bond !== undefined) this.#bonded(bond, path, packet, mtu, trusted, now);
    else if (packet.length <= mtu) this.onPath(path, packet, now);
    else this.#pieces(path, splitPacket(packet, evenPieceBytes(packet.length, mtu)), now);
    return true;
  }

  /** Puts a finished packet on its path and on those that get a copy: the same bytes, in pieces of the same size. */
  #bonded(bond: PeerBond, path: Path, packet: Uint8Array, mtu: number, trusted: bigint, now: Millis): void {
    const pieces = packet.length <= mtu ? null : splitPacket(packet, evenPieceBytes(packet.length, mtu));
    for (const way of [path, ...bond.copies]) {
      if (way !== path && this.#topology.physical.trustedPathId(way.endpoint) !== trusted) continue;
      bond.sent(way, packet, now);
      if (pieces === null) this.onPath(way, packet, now);
      else this.#pieces(way, pieces, now);
    }
  }

  #pieces(path: Path, pieces: readonly Uint8Array[], now: Millis): void {
    const { outbox } = this.#ports;
    if (outbox.sendPieces === undefined) {
      for (const piece of pieces) this.onPath(path, piece, now);
      return;
    }
    path.lastOut = now;
    outbox.sendPieces(path.socket, path.endpoint, pieces);
  }

  /** Best direct path, else the best root's, else a direct one that is dead or has expired. */
  #route(peer: Peer, now: Millis): Path | null {
    const direct = this.#topology.isUpstream ? peer.currentPath(now) : peer.bestPath(now);
    if (direct !== null) {
      const isDead = this.#isDead(peer, direct.path, now);
      const instead = peer.pathHeardInstead(direct, now);
      if (instead !== null) return instead.path;
      if (!isDead) return direct.path;
    }
    if (direct === null) this.#tryMemorized(peer, now);
    const upstream = this.#topology.bestUpstream(now);
    if (upstream !== null && upstream !== peer) {
      const relay = upstream.bestPath(now) ?? upstream.bestPath(now, true);
      if (relay !== null) return relay.path;
    }
    return peer.bestPath(now, true)?.path ?? null;
  }

  /**
   * Whether a direct path to somebody who is no root has stopped working, as far as asking it tells. (The reference goes
   * on sending on it until it expires, after four minutes.)
   */
  #isDead(peer: Peer, path: Path, now: Millis): boolean {
    if (this.#topology.isUpstream || this.#topology.upstream(peer.address) !== undefined) return false;
    const trust = path.trust(now);
    if (trust === "ask" || trust === "dead, ask") this.probe(peer, path.socket, path.endpoint, now);
    return trust === "dead" || trust === "dead, ask";
  }

  #tryMemorized(peer: Peer, now: Millis): void {
    if (now - peer.lastMemorizedTry < MEMORIZED_TRY_MS) return;
    const places = this.#topology.physical.memorized(peer.address);
    if (places.length === 0) return;
    peer.lastMemorizedTry = now;
    const coin = this.packetId();
    const wanted = coin[0]! & 1 ? 4 : 6;
    const preferred = places.filter((place) => place.family === wanted);
    const choice = preferred.length > 0 ? preferred : places;
    const place = choice[coin[1]! % choice.length]!;
    if (this.#topology.mayUse(peer.address, place)) this.approachFromAll(peer, place, now);
  }

  /** Asks whether an address answers: ECHO where the peer knows it, else a HELLO. */
  probe(peer: Peer, socket: number, endpoint: Endpoint, now: Millis): void {
    if (!peer.answersEcho) return this.greet(peer, socket, endpoint, now);
    const packet = this.seal(peer, Verb.ECHO, EMPTY);
    peer.probed(packetIdOf(packet), endpointKey(endpoint), now);
    this.#ports.outbox.send(socket, endpoint, packet);
  }

  /** Probes a place that somebody told us of; what comes from there meanwhile is answered. */
  approach(peer: Peer, socket: number, endpoint: Endpoint, now: Millis): void {
    this.#invite(peer, socket, endpoint, now);
    this.probe(peer, socket, endpoint, now);
  }

  /** The same from every socket of the address's family: each is another hole in a NAT. */
  approachFromAll(peer: Peer, endpoint: Endpoint, now: Millis): void {
    for (const socket of this.#ports.outbox.sockets()) {
      if (socket.local.family === endpoint.family) this.#invite(peer, socket.id, endpoint, now);
    }
    if (!peer.answersEcho) return this.greet(peer, null, endpoint, now);
    const packet = this.seal(peer, Verb.ECHO, EMPTY);
    peer.probed(packetIdOf(packet), endpointKey(endpoint), now);
    this.fromAll(endpoint, packet);
  }

  #invite(peer: Peer, socket: number, endpoint: Endpoint, now: Millis): void {
    const key = pathKey(socket, endpoint);
    if (peer.findPath(key) === undefined) invite(peer, key, socket, endpoint, now);
  }

  /** The same bytes from every socket of the address's family. */
  fromAll(endpoint: Endpoint, bytes: Uint8Array): void {
    for (const socket of this.#ports.outbox.sockets()) {
      if (socket.local.family === endpoint.family) this.#ports.outbox.send(socket.id, endpoint, bytes);
    }
  }
}

/** An OK that brings a configuration is compressed as the configuration itself. */
function isCompressible(verb: Verb, payload: Uint8Array): boolean {
  return verb === Verb.OK ? payload[0] === Verb.NETWORK_CONFIG_REQUEST : COMPRESSIBLE.has(verb);
}
