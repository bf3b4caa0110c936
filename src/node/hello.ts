/**
 * HELLO as we receive it: the one packet that a stranger may send. Known identities cost a MAC; unknown ones pass
 * the gate, prove their key by the MAC, and wait in a bounded table while the pool checks their address.
 * Facts: vl1-behaviour.md §2, vl1-packets.md §5.2. Ours: worlds are handed only to proven places.
 */
import { type Identity, readIdentity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { armor, cipherHelloField, dearmor, PeerKey } from "../protocol/armor.ts";
import { Reader } from "../protocol/bytes.ts";
import {
  MIN_PROTOCOL_VERSION,
  PACKET_HEADER_BYTES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_ECHO,
  VERSION_MAJOR,
  VERSION_MINOR,
  VERSION_REVISION,
} from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { encodeError } from "../protocol/messages/error.ts";
import {
  decodeHello,
  decodeHelloMoons,
  encodeOkHello,
  type Hello,
  type WorldReference,
} from "../protocol/messages/hello.ts";
import { encodeOk } from "../protocol/messages/ok.ts";
import { hopsOf, packetIdOf, payloadOf, sourceOf } from "../protocol/packet.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { IdentityGate, type IdentityGateLimits } from "./rate-gate.ts";
import { received } from "./received.ts";
import { answer } from "./reply.ts";
import type { Request } from "./request.ts";
import type { HelloResult } from "./statistics.ts";

/** A HELLO has no business being larger: identity, worlds and 32 moons fit well inside. */
const MAX_HELLO_BYTES = 1432;

/** Places from which one unknown node may greet while it is validated. */
const MAX_PLACES = 8;

/** Where a HELLO came from and what came. */
interface Arrival {
  readonly packet: Uint8Array;
  readonly bytes: number;
  readonly from: Endpoint;
  readonly socket: number;
  readonly key: string;
  readonly hello: Hello;
  /** In-payload offset of the masked moon list, or −1. */
  readonly encryptedFrom: number;
}

/** A HELLO whose identity is being validated. */
interface Pending {
  readonly ticket: number;
  readonly identity: Identity;
  readonly peerKey: PeerKey;
  /** By place, the latest of each: a node greets from several ports and over both families at once. */
  readonly arrivals: Map<string, Arrival>;
}

export class HelloReceiver {
  readonly #node: Node;
  readonly #gate: IdentityGate;
  readonly #pending = new Map<Address, Pending>();
  readonly #tickets = new Map<number, Address>();
  #nextTicket = 1;

  constructor(node: Node, limits: IdentityGateLimits) {
    this.#node = node;
    this.#gate = new IdentityGate(limits, node.ports.random);
  }

  /** Identities that wait for their validation. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A suite 0 HELLO from anybody. */
  receive(packet: Uint8Array, bytes: number, from: Endpoint, socket: number, key: string, now: Millis): void {
    const decoded = packet.length <= MAX_HELLO_BYTES ? decodeHello(payloadOf(packet)) : null;
    if (decoded === null || !decoded.ok) return this.#count("malformed");
    const { hello, encryptedFrom } = decoded.value;
    if (hello.protocolVersion < MIN_PROTOCOL_VERSION) return this.#count("old_protocol");
    const identity = readIdentity(new Reader(hello.identity));
    if (identity === undefined || identity.address !== sourceOf(packet)) return this.#count("malformed");
    const arrival: Arrival = { packet, bytes, from, socket, key, hello, encryptedFrom };
    const peer = this.#node.topology.peer(identity.address);
    if (peer === undefined) this.#stranger(identity, arrival, now);
    else if (!peer.identity.equals(identity)) this.#collision(identity, arrival, now);
    else if (!dearmor(packet, this.#node.sender.keyOf(peer))) this.#count("bad_mac");
    else {
      this.#count("known");
      this.#accept(peer, arrival, now);
    }
  }

  /** The validator's answer. */
  validated(ticket: number, valid: boolean, now: Millis): void {
    const address = this.#tickets.get(ticket);
    if (address === undefined) return;
    this.#tickets.delete(ticket);
    const pending = this.#pending.get(address)!;
    this.#pending.delete(address);
    if (!valid) return this.#count("refused_identity");
    const { topology, ports } = this.#node;
    const known = topology.peer(address);
    // While it was being validated, the address may have become known by another way (WHOIS, a world).
    if (known !== undefined && !known.identity.equals(pending.identity)) return this.#count("collision");
    const peer = known ?? topology.addPeer(pending.identity);
    peer.key ??= pending.peerKey;
    this.#count("accepted");
    const [first] = pending.arrivals.values();
    ports.events({ type: "peer-added", address, from: first!.from });
    for (const arrival of pending.arrivals.values()) this.#accept(peer, arrival, now);
    this.#node.peerKnown(peer, now);
  }

  #count(result: HelloResult): void {
    this.#node.statistics.hello[result]++;
  }

  #limited(from: Endpoint, now: Millis): boolean {
    if (this.#gate.allow(from, now)) return false;
    this.#node.statistics.rateLimited.identity++;
    this.#count("rate_limited");
    return true;
  }

  #stranger(identity: Identity, arrival: Arrival, now: Millis): void {
    const waiting = this.#pending.get(identity.address);
    if (waiting !== undefined) {
      // The same node again, from another of its places or once more from the same: the work is under way.
      const { arrivals } = waiting;
      const room = arrivals.has(arrival.key) || arrivals.size < MAX_PLACES;
      if (room && waiting.identity.equals(identity) && dearmor(arrival.packet, waiting.peerKey)) {
        arrivals.set(arrival.key, keep(arrival));
      }
      return;
    }
    if (this.#limited(arrival.from, now)) return;
    const peerKey = new PeerKey(this.#node.identity.agree(identity));
    if (!dearmor(arrival.packet, peerKey)) return this.#count("bad_mac");
    const ticket = this.#nextTicket++;
    const full = this.#pending.size >= this.#node.maxValidations;
    if (full || !this.#node.ports.validator.validate(ticket, identity)) return this.#count("queue_full");
    this.#tickets.set(ticket, identity.address);
    const arrivals = new Map([[arrival.key, keep(arrival)]]);
    this.#pending.set(identity.address, { ticket, identity, peerKey, arrivals });
  }

  /** First come wins: the newcomer is told, in suite 1 with its own key so that it can read it. */
  #collision(identity: Identity, arrival: Arrival, now: Millis): void {
    if (this.#limited(arrival.from, now)) return;
    const peerKey = new PeerKey(this.#node.identity.agree(identity));
    if (!dearmor(arrival.packet, peerKey)) return this.#count("bad_mac");
    this.#count("collision");
    const { sender, ports, statistics } = this.#node;
    const error = { inReVerb: Verb.HELLO, inRePacketId: packetIdOf(arrival.packet) };
    const packet = sender.compose(
      identity.address,
      Verb.ERROR,
      encodeError({ ...error, code: ErrorCode.IDENTITY_COLLISION, body: new Uint8Array(0) }),
    );
    armor(packet, peerKey, 1);
    statistics.errorsOut[ErrorCode.IDENTITY_COLLISION]!++;
    ports.outbox.send(arrival.socket, arrival.from, packet);
    ports.events({ type: "identity-collision", address: identity.address, from: arrival.from });
  }

  /** An authentic HELLO of a known peer. */
  #accept(peer: Peer, arrival: Arrival, now: Millis): void {
    const node = this.#node;
    const { packet, hello, from } = arrival;
    const request: Request = {
      peer,
      packetId: packetIdOf(packet),
      verb: Verb.HELLO,
      payload: payloadOf(packet),
      hops: hopsOf(packet),
      socket: arrival.socket,
      from,
      pathKey: arrival.key,
      bytes: arrival.bytes,
      now,
    };
    node.statistics.packetsIn[Verb.HELLO]!++;
    node.grantCredit(request);
    const moons = this.#moons(peer, arrival);
    if (hello.sentTo !== null && request.hops === 0) {
      node.selfAwareness.report(peer, arrival.socket, from, hello.sentTo, now);
    }
    const replayed = peer.lastHello !== undefined && hello.timestamp < peer.lastHello.timestamp;
    const proven = node.paths.find(arrival.key) !== undefined;
    const worlds = newerWorlds(node, hello, moons);
    this.#reply(request, hello, proven ? worlds : EMPTY);
    if (!replayed) {
      peer.lastHello = {
        packetId: request.packetId,
        timestamp: hello.timestamp,
        receivedAt: now,
        socket: arrival.socket,
        planetId: hello.planetId,
        planetTimestamp: hello.planetTimestamp,
        moons: moons.filter(({ id }) => node.worlds.held(id) !== undefined),
      };
      peer.worldsOwed = !proven && worlds.length > 0;
      peer.protocolVersion = hello.protocolVersion;
      peer.version = [hello.versionMajor, hello.versionMinor, hello.versionRevision];
    }
    // A replay may ask an unproven place to prove itself, but must not keep a path alive that its owner has left.
    if (!replayed || !proven) received(node, request);
  }

  #moons(peer: Peer, { packet, encryptedFrom }: Arrival): readonly WorldReference[] {
    if (encryptedFrom < 0) return [];
    const start = PACKET_HEADER_BYTES + encryptedFrom;
    cipherHelloField(packet, start, this.#node.sender.keyOf(peer));
    const decoded = decodeHelloMoons(packet.subarray(start));
    return decoded.ok ? decoded.value : [];
  }

  #reply(request: Request, hello: Hello, worlds: Uint8Array): void {
    const body = okHelloBody(hello.timestamp, hello.protocolVersion, request.from, worlds);
    const { peer, pathKey, socket, from, now } = request;
    const packet = this.#node.sender.seal(peer, Verb.OK, encodeOk(Verb.HELLO, request.packetId, body));
    if (worlds.length > 0) this.#node.statistics.worldsSent++;
    answer(this.#node, peer, pathKey, socket, from, packet, now);
  }
}

const EMPTY = new Uint8Array(0);

/** Copies the datagram, whose bytes belong to the transport. */
function keep(arrival: Arrival): Arrival {
  return { ...arrival, packet: new Uint8Array(arrival.packet) };
}

/** Body of OK(HELLO). Peers below protocol 5 are told port 0. */
export function okHelloBody(
  timestamp: bigint,
  protocolVersion: number,
  surface: Endpoint,
  worlds: Uint8Array,
): Uint8Array {
  return encodeOkHello({
    timestamp,
    protocolVersion: PROTOCOL_VERSION,
    versionMajor: VERSION_MAJOR,
    versionMinor: VERSION_MINOR,
    versionRevision: VERSION_REVISION,
    surface: protocolVersion < PROTOCOL_VERSION_ECHO ? { ...surface, port: 0 } : surface,
    worlds,
  });
}

/** What a node has told about its worlds. */
interface WorldsTold {
  readonly planetId: bigint;
  readonly planetTimestamp: bigint;
}

/** The wire form of each held world of which the other one has an older version, planet first. */
export function newerWorlds(node: Node, told: WorldsTold, moons: readonly WorldReference[]): Uint8Array {
  const { planet } = node.worlds;
  const parts: Uint8Array[] = [];
  if (told.planetId !== 0n && told.planetId === planet.id && planet.timestamp > told.planetTimestamp) {
    parts.push(planet.bytes);
  }
  for (const { id, timestamp } of moons) {
    const moon = node.worlds.moon(id);
    if (moon !== undefined && moon.timestamp > timestamp) parts.push(moon.bytes);
  }
  if (parts.length === 0) return EMPTY;
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
