/**
 * The least root that a synthetic peer can live on: answers HELLO and ECHO, asks every newcomer in turn, and relays
 * between peers that answered. Sans-IO, keyed by the address a packet claims; no gate, no memory of endpoints.
 */
import { encodeIdentity, type Identity, readIdentity } from "../../src/identity/identity.ts";
import type { Address } from "../../src/protocol/address.ts";
import { armor, CipherSuite, cipherHelloField, dearmor, PeerKey } from "../../src/protocol/armor.ts";
import { Reader } from "../../src/protocol/bytes.ts";
import { PACKET_HEADER_BYTES } from "../../src/protocol/constants.ts";
import { decodeHello, decodeHelloMoons, encodeHello, encodeOkHello } from "../../src/protocol/messages/hello.ts";
import { decodeOk, encodeOk } from "../../src/protocol/messages/ok.ts";
import {
  cipherSuiteOf,
  destinationOf,
  hopsOf,
  newPacket,
  packetIdOf,
  payloadOf,
  setHops,
  sourceOf,
  verbOf,
} from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";

interface Client {
  readonly identity: Identity;
  readonly key: PeerKey;
  confirmed: boolean;
}

/** Sends `bytes` to the client with this address. */
export type SendTo = (address: Address, bytes: Uint8Array) => void;

/** A root for tests. */
export class FakeRoot {
  readonly identity: Identity;
  readonly clients = new Map<Address, Client>();
  /** Suites of the packets that clients addressed to the root, in order. */
  readonly suites: number[] = [];
  relayed = 0;
  /** When false, newcomers get no HELLO of the root's own, as over loopback. */
  confirmsPaths = true;
  readonly #send: SendTo;
  #nextId = 1;

  constructor(identity: Identity, send: SendTo) {
    this.identity = identity;
    this.#send = send;
  }

  /** Takes a datagram from a client. Throws on anything a client of a correct root would not send. */
  receive(bytes: Uint8Array): void {
    if (destinationOf(bytes) !== this.identity.address) {
      this.#relay(bytes);
      return;
    }
    this.suites.push(cipherSuiteOf(bytes));
    const known = this.clients.get(sourceOf(bytes));
    if (verbOf(bytes) === Verb.HELLO && cipherSuiteOf(bytes) === CipherSuite.POLY1305_NONE) this.#hello(bytes);
    else if (known === undefined || !dearmor(bytes, known.key)) throw new Error("not from a client");
    else if (verbOf(bytes) === Verb.ECHO) this.#ok(known, encodeOk(Verb.ECHO, packetIdOf(bytes), payloadOf(bytes)));
    else if (verbOf(bytes) === Verb.OK) this.#confirmation(known, payloadOf(bytes));
    else throw new Error(`unexpected verb ${verbOf(bytes)}`);
  }

  /** Sends a RENDEZVOUS-shaped packet with nothing in it. */
  introduce(address: Address): void {
    this.#sendArmored(this.clients.get(address)!, Verb.RENDEZVOUS, new Uint8Array(0));
  }

  /** Asks a client by ECHO. */
  echo(address: Address): void {
    this.#sendArmored(this.clients.get(address)!, Verb.ECHO, new Uint8Array(0));
  }

  #hello(packet: Uint8Array): void {
    const decoded = decodeHello(payloadOf(packet));
    if (!decoded.ok) throw new Error(`HELLO refused: ${decoded.code}`);
    const { hello, encryptedFrom } = decoded.value;
    const identity = readIdentity(new Reader(hello.identity))!;
    const key = new PeerKey(this.identity.agree(identity));
    if (!dearmor(packet, key)) throw new Error("HELLO with a wrong MAC");
    cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, key);
    const moons = decodeHelloMoons(payloadOf(packet).subarray(encryptedFrom));
    if (!moons.ok || moons.value.length !== 0) throw new Error("HELLO with a moon section that cannot be read");
    const client = this.clients.get(identity.address) ?? { identity, key, confirmed: false };
    this.clients.set(identity.address, client);
    const body = encodeOkHello({
      timestamp: hello.timestamp,
      protocolVersion: 12,
      versionMajor: 1,
      versionMinor: 14,
      versionRevision: 1,
      surface: hello.sentTo,
      worlds: new Uint8Array(0),
    });
    this.#ok(client, encodeOk(Verb.HELLO, packetIdOf(packet), body));
    if (!client.confirmed && this.confirmsPaths) this.#ask(client);
  }

  #ask(client: Client): void {
    const { payload, encryptedFrom } = encodeHello({
      protocolVersion: 12,
      versionMajor: 1,
      versionMinor: 14,
      versionRevision: 1,
      timestamp: 1000n,
      identity: encodeIdentity(this.identity),
      sentTo: null,
      planetId: 1n,
      planetTimestamp: 1n,
      moons: [],
    });
    const packet = newPacket(this.#id(), client.identity.address, this.identity.address, Verb.HELLO, payload);
    cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, client.key);
    armor(packet, client.key, CipherSuite.POLY1305_NONE);
    this.#send(client.identity.address, packet);
  }

  #confirmation(client: Client, payload: Uint8Array): void {
    const ok = decodeOk(payload);
    const asked: readonly number[] = [Verb.HELLO, Verb.ECHO];
    if (!ok.ok || !asked.includes(ok.value.inReVerb)) throw new Error("not the OK that was asked for");
    client.confirmed = true;
  }

  #relay(bytes: Uint8Array): void {
    if (this.clients.get(destinationOf(bytes))?.confirmed !== true) return;
    setHops(bytes, hopsOf(bytes) + 1);
    this.relayed++;
    this.#send(destinationOf(bytes), bytes);
  }

  #ok(client: Client, payload: Uint8Array): void {
    this.#sendArmored(client, Verb.OK, payload);
  }

  #sendArmored(client: Client, verb: Verb, payload: Uint8Array): void {
    const packet = newPacket(this.#id(), client.identity.address, this.identity.address, verb, payload);
    armor(packet, client.key, CipherSuite.AES_GMAC_SIV);
    this.#send(client.identity.address, packet);
  }

  #id(): Uint8Array {
    const id = new Uint8Array(8);
    new DataView(id.buffer).setUint32(4, this.#nextId++);
    return id;
  }
}
