/**
 * Every known peer as one record: identity, agreed key, versions, times, what its last HELLO said. For a peer that
 * talks there is a `Peer` object as well, and then that one is right and the record only says that there is one
 * (peer-memory.ts). Records are little-endian, as memory is.
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0   | 8  | last receive, ms since the epoch (double) |
 * | 8   | 8  | last HELLO: received at, likewise |
 * | 16  | 8  | last HELLO: packet id |
 * | 24  | 8  | last HELLO: its time stamp |
 * | 32  | 4  | last HELLO: local socket |
 * | 36  | 4  | what it told of its worlds (told-worlds.ts); 0 = it never said HELLO |
 * | 40  | 4  | address, low 32 bits |
 * | 44  | 1  | address, high 8 bits |
 * | 45  | 1  | flags |
 * | 46  | 8  | protocol version, major, minor, revision, 2 bytes each |
 * | 56  | 4  | chain of paths (path-records.ts) |
 * | 60  | 4  | when the peer cache wrote it down, seconds since the epoch |
 * | 64  | 64 | public key |
 * | 128 | 48 | agreed key |
 */
import { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { PeerKey } from "../protocol/armor.ts";
import { AddressIndex } from "./address-index.ts";
import { Peer } from "./peer.ts";
import type { Millis, Random } from "./ports.ts";
import { Slab } from "./slab.ts";
import { type Told, ToldTable } from "./told-worlds.ts";

const RECORD_BYTES = 176;
const HELLO_RECEIVED = 8;
const HELLO_PACKET_ID = 16;
const HELLO_TIMESTAMP = 24;
const HELLO_SOCKET = 32;
const HELLO_TOLD = 36;
const ADDRESS_LOW = 40;
const ADDRESS_HIGH = 44;
const FLAGS = 45;
const PROTOCOL = 46;
const MAJOR = 48;
const MINOR = 50;
const REVISION = 52;
const PATHS = 56;
const CACHED_AT = 60;
const PUBLIC_KEY = 64;
const PUBLIC_KEY_BYTES = 64;
const AGREED_KEY = 128;
const AGREED_KEY_BYTES = 48;

const USED = 1;
/** There is a `Peer` object, and it is right. */
const AWAKE = 2;
const HAS_KEY = 4;
const HAS_VERSION = 8;
const WORLDS_OWED = 16;

const TWO_POW_32 = 0x100000000;

export class PeerRecords {
  readonly #slab = new Slab(RECORD_BYTES);
  readonly #index: AddressIndex;
  readonly #told = new ToldTable();

  constructor(maxPeers: number, random: Random) {
    this.#index = new AddressIndex(maxPeers, random, (slot) => this.address(slot));
  }

  get size(): number {
    return this.#slab.used;
  }

  /** Every slot is below this; not all of those below are used. */
  get end(): number {
    return this.#slab.end;
  }

  /** The slot of a peer, or NO_SLOT (−1). */
  find(address: Address): number {
    return this.#index.find(address);
  }

  /** A new record of an identity that is not there yet. Returns its slot. */
  add(identity: Identity): number {
    const slot = this.#slab.allocate();
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    view.setUint32(at + ADDRESS_LOW, identity.address % TWO_POW_32, true);
    view.setUint8(at + ADDRESS_HIGH, Math.floor(identity.address / TWO_POW_32));
    view.setUint8(at + FLAGS, USED);
    this.#slab.bytes(slot, PUBLIC_KEY, PUBLIC_KEY_BYTES).set(identity.publicKey);
    this.#index.add(slot);
    return slot;
  }

  /** Forgets a record; its paths must have been given back. */
  remove(slot: number): void {
    this.#index.remove(this.address(slot));
    this.#told.drop(this.#slab.view(slot).getUint32(this.#slab.at(slot) + HELLO_TOLD, true));
    this.#slab.release(slot);
  }

  isUsed(slot: number): boolean {
    return (this.#flags(slot) & USED) !== 0;
  }

  isAwake(slot: number): boolean {
    return (this.#flags(slot) & AWAKE) !== 0;
  }

  address(slot: number): Address {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    return view.getUint8(at + ADDRESS_HIGH) * TWO_POW_32 + view.getUint32(at + ADDRESS_LOW, true);
  }

  identity(slot: number): Identity {
    return new Identity(this.address(slot), this.#slab.bytes(slot, PUBLIC_KEY, PUBLIC_KEY_BYTES));
  }

  lastReceive(slot: number): Millis {
    return this.#slab.view(slot).getFloat64(this.#slab.at(slot), true);
  }

  /** What its last HELLO told of its worlds; undefined if it never said HELLO. */
  told(slot: number): Told | undefined {
    return this.#told.get(this.#slab.view(slot).getUint32(this.#slab.at(slot) + HELLO_TOLD, true));
  }

  /** Its chain of paths. */
  paths(slot: number): number {
    return this.#slab.view(slot).getUint32(this.#slab.at(slot) + PATHS, true);
  }

  setPaths(slot: number, chain: number): void {
    this.#slab.view(slot).setUint32(this.#slab.at(slot) + PATHS, chain, true);
  }

  /** What the peer cache remembers of a peer. */
  setRemembered(slot: number, protocolVersion: number, version: Peer["version"], lastReceive: Millis, now: Millis) {
    const view = this.#slab.view(slot);
    view.setFloat64(this.#slab.at(slot), lastReceive, true);
    this.#setVersions(slot, protocolVersion, version);
    view.setUint32(this.#slab.at(slot) + CACHED_AT, Math.floor(now / 1000), true);
  }

  /** Writes a peer down, but for its paths; the record is right from now on. */
  store(slot: number, peer: Peer): void {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    const { lastHello, key } = peer;
    let flags = USED;
    if (key !== undefined) flags |= HAS_KEY;
    if (peer.worldsOwed) flags |= WORLDS_OWED;
    view.setUint8(at + FLAGS, flags);
    view.setFloat64(at, peer.lastReceive, true);
    this.#setVersions(slot, peer.protocolVersion, peer.version);
    view.setUint32(at + CACHED_AT, Math.floor(peer.cachedAt / 1000), true);
    if (key !== undefined) this.#slab.bytes(slot, AGREED_KEY, AGREED_KEY_BYTES).set(key.shared);
    if (lastHello === undefined) return;
    view.setFloat64(at + HELLO_RECEIVED, lastHello.receivedAt, true);
    view.setBigUint64(at + HELLO_PACKET_ID, lastHello.packetId, true);
    view.setBigUint64(at + HELLO_TIMESTAMP, lastHello.timestamp, true);
    view.setUint32(at + HELLO_SOCKET, lastHello.socket, true);
    view.setUint32(at + HELLO_TOLD, this.#told.take(lastHello), true);
  }

  #setVersions(slot: number, protocolVersion: number, version: Peer["version"]): void {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    view.setUint16(at + PROTOCOL, protocolVersion, true);
    if (version === null) return;
    view.setUint8(at + FLAGS, this.#flags(slot) | HAS_VERSION);
    view.setUint16(at + MAJOR, version[0], true);
    view.setUint16(at + MINOR, version[1], true);
    view.setUint16(at + REVISION, version[2], true);
  }

  /** A peer as it was stored, without its paths. The record stays as it is. */
  load(slot: number): Peer {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    const flags = this.#flags(slot);
    const peer = new Peer(this.identity(slot), slot);
    peer.lastReceive = view.getFloat64(at, true);
    peer.protocolVersion = view.getUint16(at + PROTOCOL, true);
    if (flags & HAS_VERSION) {
      peer.version = [
        view.getUint16(at + MAJOR, true),
        view.getUint16(at + MINOR, true),
        view.getUint16(at + REVISION, true),
      ];
    }
    peer.cachedAt = view.getUint32(at + CACHED_AT, true) * 1000;
    peer.worldsOwed = (flags & WORLDS_OWED) !== 0;
    if (flags & HAS_KEY) peer.key = new PeerKey(this.#slab.bytes(slot, AGREED_KEY, AGREED_KEY_BYTES));
    const told = this.told(slot);
    if (told !== undefined) {
      peer.lastHello = {
        ...told.worlds,
        packetId: view.getBigUint64(at + HELLO_PACKET_ID, true),
        timestamp: view.getBigUint64(at + HELLO_TIMESTAMP, true),
        receivedAt: view.getFloat64(at + HELLO_RECEIVED, true),
        socket: view.getUint32(at + HELLO_SOCKET, true),
      };
    }
    return peer;
  }

  /** From now on the `Peer` object is right: the record gives back what it refers to. */
  wake(slot: number): void {
    const view = this.#slab.view(slot);
    const at = this.#slab.at(slot);
    this.#told.drop(view.getUint32(at + HELLO_TOLD, true));
    view.setUint32(at + HELLO_TOLD, 0, true);
    view.setUint32(at + PATHS, 0, true);
    view.setUint8(at + FLAGS, this.#flags(slot) | AWAKE);
  }

  #flags(slot: number): number {
    return this.#slab.view(slot).getUint8(this.#slab.at(slot) + FLAGS);
  }
}
