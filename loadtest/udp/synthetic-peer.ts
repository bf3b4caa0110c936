/**
 * One synthetic peer: says HELLO to a root as a client does, answers the root's own HELLO or ECHO (which is how a root
 * learns a direct path), and exchanges probes with a partner through the root. No sockets and no clock of its own:
 * the generator feeds it datagrams and times. RENDEZVOUS is ignored on purpose, so that traffic stays relayed.
 * Facts: vl1-packets.md §2 and §5.2, vl1-behaviour.md §3.2 (confirming a path), vl1-identity-crypto.md §7.
 */
import type { Identity } from "../../src/identity/identity.ts";
import { encodeIdentity } from "../../src/identity/identity.ts";
import type { Millis, Random } from "../../src/node/ports.ts";
import { armor, CipherSuite, cipherHelloField, dearmor, PeerKey } from "../../src/protocol/armor.ts";
import {
  PACKET_HEADER_BYTES,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_AES,
  VERSION_MAJOR,
  VERSION_MINOR,
  VERSION_REVISION,
} from "../../src/protocol/constants.ts";
import type { Endpoint } from "../../src/protocol/inet-address.ts";
import { decodeHello, decodeOkHello, encodeHello, encodeOkHello } from "../../src/protocol/messages/hello.ts";
import { decodeOk, encodeOk } from "../../src/protocol/messages/ok.ts";
import {
  classifyDatagram,
  destinationOf,
  FLAG_LEGACY_ENCRYPTED,
  FLAGS_OFFSET,
  newPacket,
  packetIdOf,
  payloadOf,
  SUITE_SHIFT,
  sourceOf,
  verbOf,
} from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { LatencyHistogram, type SequenceLedger } from "./report.ts";

/** Marks a probe's body. */
const PROBE_MAGIC = 0x6f727279;
/** Magic, run, sequence, time of sending. */
const PROBE_BODY_BYTES = 4 + 4 + 4 + 8;
/** An armoured probe is a USER_MESSAGE, which starts with its type. */
const USER_MESSAGE_TYPE_BYTES = 8;
/** The smallest probe, of either kind. */
export const MIN_PROBE_BYTES = PACKET_HEADER_BYTES + USER_MESSAGE_TYPE_BYTES + PROBE_BODY_BYTES;

/** Requests that one peer remembers while it waits for their answers. */
const MAX_IN_FLIGHT = 64;

/** What all peers of a run count together. */
export class Tally {
  readonly greeting = new LatencyHistogram();
  readonly hello = new LatencyHistogram();
  readonly echo = new LatencyHistogram();
  readonly relay = new LatencyHistogram();
  greetingSent = 0;
  helloSent = 0;
  echoSent = 0;
  introductions = 0;
  unreadable = 0;
  /** Present while probes are exchanged. */
  ledger: SequenceLedger | null = null;
}

/** What a peer is made of. */
export interface SyntheticPeerOptions {
  /** With its secret. */
  readonly identity: Identity;
  readonly root: Identity;
  /** Where the root is: told in HELLO and OK(HELLO), as clients do. */
  readonly target: Endpoint;
  /** Tells the probes of this run from those of an earlier one, 32 bits. */
  readonly run: number;
  /**
   * Armoured probes are real USER_MESSAGEs; opaque ones only look encrypted. A relay cannot tell them apart, and
   * the opaque ones cost the generator less.
   */
  readonly armored: boolean;
  readonly random: Random;
  /** Sends a datagram to the root's socket. */
  readonly send: (bytes: Uint8Array) => void;
  readonly tally: Tally;
}

interface InFlight {
  readonly verb: typeof Verb.HELLO | typeof Verb.ECHO;
  readonly sentAt: Millis;
  readonly histogram: LatencyHistogram;
}

/** A peer of the load generator. Times are milliseconds with fractions, of one clock for the whole run. */
export class SyntheticPeer {
  readonly identity: Identity;
  /** True once the root answered a HELLO. */
  greeted = false;
  /** True once the root's own HELLO or ECHO was answered: it now holds a direct path to this peer. */
  confirmed = false;
  readonly #options: SyntheticPeerOptions;
  readonly #rootKey: PeerKey;
  readonly #inFlight = new Map<bigint, InFlight>();
  #rootProtocol = 0;
  /** Highest sequence number that came from the partner. */
  #lastProbe = -1;
  #partner: { readonly identity: Identity; readonly key: PeerKey } | null = null;

  constructor(options: SyntheticPeerOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#rootKey = new PeerKey(options.identity.agree(options.root));
  }

  /** Names the peer whom probes are sent to and accepted from. */
  pairWith(partner: Identity): void {
    this.#partner = { identity: partner, key: new PeerKey(this.identity.agree(partner)) };
  }

  /** Sends a HELLO. It counts as a greeting until the root has answered one. */
  sayHello(now: Millis): void {
    const { tally, target, root } = this.#options;
    const { payload, encryptedFrom } = encodeHello({
      protocolVersion: PROTOCOL_VERSION,
      versionMajor: VERSION_MAJOR,
      versionMinor: VERSION_MINOR,
      versionRevision: VERSION_REVISION,
      timestamp: BigInt(Math.floor(now)),
      identity: encodeIdentity(this.identity),
      sentTo: target,
      // No planet: the root then sends no world in its answer.
      planetId: 0n,
      planetTimestamp: 0n,
      moons: [],
    });
    const packet = newPacket(this.#newId(), root.address, this.identity.address, Verb.HELLO, payload);
    cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, this.#rootKey);
    armor(packet, this.#rootKey, CipherSuite.POLY1305_NONE);
    if (this.greeted) tally.helloSent++;
    else tally.greetingSent++;
    this.#remember(packet, Verb.HELLO, now, this.greeted ? tally.hello : tally.greeting);
    this.#options.send(packet);
  }

  /** Sends an empty ECHO, as a client does to keep its path; the root answers at most one in 166 ms per path. */
  sayEcho(now: Millis): void {
    const { tally, root } = this.#options;
    const packet = newPacket(this.#newId(), root.address, this.identity.address, Verb.ECHO, new Uint8Array(0));
    armor(packet, this.#rootKey, this.#suite());
    tally.echoSent++;
    this.#remember(packet, Verb.ECHO, now, tally.echo);
    this.#options.send(packet);
  }

  /** Sends a probe of `bytes` (at least MIN_PROBE_BYTES) to the partner, if there is one. */
  sendProbe(sequence: number, bytes: number, now: Millis): void {
    const partner = this.#partner;
    const { armored } = this.#options;
    if (partner === null) return;
    const payload = new Uint8Array(bytes - PACKET_HEADER_BYTES);
    const body = new DataView(payload.buffer, armored ? USER_MESSAGE_TYPE_BYTES : 0);
    body.setUint32(0, PROBE_MAGIC);
    body.setUint32(4, this.#options.run);
    body.setUint32(8, sequence);
    body.setFloat64(12, now);
    const packet = newPacket(
      this.#newId(),
      partner.identity.address,
      this.identity.address,
      Verb.USER_MESSAGE,
      payload,
    );
    if (armored) {
      armor(packet, partner.key, CipherSuite.SALSA2012_POLY1305);
    } else {
      packet[FLAGS_OFFSET] = FLAG_LEGACY_ENCRYPTED | (CipherSuite.SALSA2012_POLY1305 << SUITE_SHIFT);
    }
    this.#options.send(packet);
  }

  /** Takes one datagram that arrived on this peer's socket. The bytes may be changed (dearmoured in place). */
  receive(bytes: Uint8Array, now: Millis): void {
    if (classifyDatagram(bytes) !== "packet" || destinationOf(bytes) !== this.identity.address) return;
    const source = sourceOf(bytes);
    if (source === this.#options.root.address) this.#fromRoot(bytes, now);
    else if (this.#partner !== null && source === this.#partner.identity.address) this.#fromPartner(bytes, now);
    else this.#options.tally.unreadable++;
  }

  #fromRoot(packet: Uint8Array, now: Millis): void {
    const { tally } = this.#options;
    if (!dearmor(packet, this.#rootKey)) {
      tally.unreadable++;
      return;
    }
    switch (verbOf(packet)) {
      case Verb.OK:
        this.#ok(payloadOf(packet), now);
        break;
      case Verb.HELLO:
        this.#answerHello(packet);
        break;
      case Verb.ECHO:
        this.#reply(encodeOk(Verb.ECHO, packetIdOf(packet), payloadOf(packet)));
        this.confirmed = true;
        break;
      case Verb.RENDEZVOUS:
        tally.introductions++;
        break;
    }
  }

  #ok(payload: Uint8Array, now: Millis): void {
    const ok = decodeOk(payload);
    if (!ok.ok) {
      this.#options.tally.unreadable++;
      return;
    }
    const request = this.#inFlight.get(ok.value.inRePacketId);
    if (request === undefined || request.verb !== ok.value.inReVerb) return;
    this.#inFlight.delete(ok.value.inRePacketId);
    request.histogram.record(now - request.sentAt);
    if (request.verb !== Verb.HELLO) return;
    const hello = decodeOkHello(ok.value.body);
    if (!hello.ok) {
      this.#options.tally.unreadable++;
      return;
    }
    this.greeted = true;
    this.#rootProtocol = hello.value.protocolVersion;
  }

  #answerHello(packet: Uint8Array): void {
    const hello = decodeHello(payloadOf(packet));
    if (!hello.ok) {
      this.#options.tally.unreadable++;
      return;
    }
    const { timestamp, protocolVersion } = hello.value.hello;
    this.#rootProtocol = protocolVersion;
    const body = encodeOkHello({
      timestamp,
      protocolVersion: PROTOCOL_VERSION,
      versionMajor: VERSION_MAJOR,
      versionMinor: VERSION_MINOR,
      versionRevision: VERSION_REVISION,
      surface: this.#options.target,
      worlds: new Uint8Array(0),
    });
    this.#reply(encodeOk(Verb.HELLO, packetIdOf(packet), body));
    this.confirmed = true;
  }

  #reply(payload: Uint8Array): void {
    const packet = newPacket(this.#newId(), this.#options.root.address, this.identity.address, Verb.OK, payload);
    armor(packet, this.#rootKey, this.#suite());
    this.#options.send(packet);
  }

  #fromPartner(packet: Uint8Array, now: Millis): void {
    const { tally, run, armored } = this.#options;
    if (armored && !dearmor(packet, this.#partner!.key)) {
      tally.unreadable++;
      return;
    }
    const start = PACKET_HEADER_BYTES + (armored ? USER_MESSAGE_TYPE_BYTES : 0);
    if (packet.length < start + PROBE_BODY_BYTES) {
      tally.unreadable++;
      return;
    }
    const body = new DataView(packet.buffer, packet.byteOffset + start, PROBE_BODY_BYTES);
    // A probe of an earlier run, late or repeated, says nothing about this one.
    if (body.getUint32(0) !== PROBE_MAGIC || body.getUint32(4) !== run) return;
    const sequence = body.getUint32(8);
    if (tally.ledger?.mark(sequence) !== true) return;
    tally.relay.record(now - body.getFloat64(12));
    if (sequence < this.#lastProbe) tally.ledger.reordered++;
    else this.#lastProbe = sequence;
  }

  /** The suite for everything but HELLO, by what the root said of itself (vl1-identity-crypto.md §4). */
  #suite(): 1 | 3 {
    return this.#rootProtocol >= PROTOCOL_VERSION_AES ? CipherSuite.AES_GMAC_SIV : CipherSuite.SALSA2012_POLY1305;
  }

  /** Called after armouring: with suite 3 only then is the packet id the one that the answer will name. */
  #remember(packet: Uint8Array, verb: InFlight["verb"], now: Millis, histogram: LatencyHistogram): void {
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      const oldest = this.#inFlight.keys().next().value;
      if (oldest !== undefined) this.#inFlight.delete(oldest);
    }
    this.#inFlight.set(packetIdOf(packet), { verb, sentAt: now, histogram });
  }

  #newId(): Uint8Array {
    const id = new Uint8Array(8);
    this.#options.random(id);
    return id;
  }
}
