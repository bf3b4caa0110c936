/**
 * Fragments: cutting an armoured packet into datagrams, and putting one together again.
 * Facts: vl1-packets.md §3.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | 8 | packet id | of the whole packet, as armoured |
 * | 8  | 5 | destination | ZeroTier address |
 * | 13 | 1 | 0xff | tells a fragment from a packet |
 * | 14 | 1 | total, number | high nibble: pieces in all (head included); low nibble: this one, 1 … total − 1 |
 * | 15 | 1 | hops | whole byte; relays store (hops + 1) & 7 |
 * | 16 | … | data | bytes of the armoured packet |
 *
 * The head is an ordinary packet header with the fragmented flag; it is piece 0 and does not know the total.
 */
import { type Address, readAddress } from "./address.ts";
import {
  FRAGMENT_HEADER_BYTES,
  MAX_FRAGMENTS,
  MAX_PACKET_BYTES,
  MIN_FRAGMENT_BYTES,
  QUEUE_ENTRIES,
  QUEUE_LIFETIME_MS,
} from "./constants.ts";
import { FRAGMENT_INDICATOR, HOPS_MASK, packetIdOf, readU64 } from "./packet.ts";

export const FRAGMENT_DESTINATION_OFFSET = 8;
export const FRAGMENT_INDICATOR_OFFSET = 13;
export const FRAGMENT_COUNT_OFFSET = 14;
export const FRAGMENT_HOPS_OFFSET = 15;
export const FRAGMENT_DATA_OFFSET = FRAGMENT_HEADER_BYTES;

export function fragmentPacketId(bytes: Uint8Array): bigint {
  return readU64(bytes, 0);
}

export function fragmentDestination(bytes: Uint8Array): Address {
  return readAddress(bytes, FRAGMENT_DESTINATION_OFFSET);
}

/** Pieces of the whole packet, head included, 0 … 15 as the wire says it. */
export function fragmentTotal(bytes: Uint8Array): number {
  return bytes[FRAGMENT_COUNT_OFFSET]! >> 4;
}

/** Which piece this is, 0 … 15 as the wire says it; 0 is never valid, the head is piece 0. */
export function fragmentNumber(bytes: Uint8Array): number {
  return bytes[FRAGMENT_COUNT_OFFSET]! & 0x0f;
}

/** The hop count: the whole byte, so junk may say up to 255, which every relay limit refuses. */
export function fragmentHops(bytes: Uint8Array): number {
  return bytes[FRAGMENT_HOPS_OFFSET]!;
}

export function setFragmentHops(bytes: Uint8Array, hops: number): void {
  bytes[FRAGMENT_HOPS_OFFSET] = hops & HOPS_MASK;
}

/** The fragment's share of the packet, as a view. */
export function fragmentData(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(FRAGMENT_DATA_OFFSET);
}

/** The longest packet that can be sent over this physical MTU in the seven pieces a receiver accepts. */
export function maxPacketBytes(mtu: number): number {
  return Math.min(MAX_PACKET_BYTES, mtu + (MAX_FRAGMENTS - 1) * (mtu - FRAGMENT_HEADER_BYTES));
}

/**
 * Cuts an armoured packet into datagrams of at most `mtu` bytes: the head, then the fragments in order. A packet
 * that fits is returned as it is, uncopied. The caller set the fragmented flag before armouring when
 * `armored.length > mtu`. Throws RangeError if more than seven pieces would be needed (`maxPacketBytes` tells
 * before): that is a mistake of ours, never of a peer.
 */
export function splitPacket(armored: Uint8Array, mtu: number): Uint8Array[] {
  if (armored.length <= mtu) return [armored];
  const share = mtu - FRAGMENT_HEADER_BYTES;
  const total = 1 + Math.ceil((armored.length - mtu) / share);
  if (total > MAX_FRAGMENTS)
    throw new RangeError(`a packet of ${armored.length} bytes needs ${total} pieces of ${mtu}`);
  const datagrams = [armored.subarray(0, mtu)];
  for (let number = 1, at = mtu; number < total; number++, at += share) {
    const end = Math.min(at + share, armored.length);
    const datagram = new Uint8Array(FRAGMENT_HEADER_BYTES + end - at);
    datagram.set(armored.subarray(0, FRAGMENT_INDICATOR_OFFSET));
    datagram[FRAGMENT_INDICATOR_OFFSET] = FRAGMENT_INDICATOR;
    datagram[FRAGMENT_COUNT_OFFSET] = (total << 4) | number;
    datagram.set(armored.subarray(at, end), FRAGMENT_DATA_OFFSET);
    datagrams.push(datagram);
  }
  return datagrams;
}

/**
 * The size to cut a packet of `length` bytes at, so that it has as few pieces as with `mtu` and they are of one length,
 * but for the last, which may be a little shorter. Receivers put together whatever lengths come (§3); a kernel that
 * cuts one message into datagrams (UDP_SEGMENT) takes only equal ones.
 */
export function evenPieceBytes(length: number, mtu: number): number {
  if (length <= mtu) return mtu;
  const pieces = 1 + Math.ceil((length - mtu) / (mtu - FRAGMENT_HEADER_BYTES));
  return Math.ceil((length - FRAGMENT_HEADER_BYTES) / pieces) + FRAGMENT_HEADER_BYTES;
}

export interface ReassemblyOptions {
  /** Incomplete packets held at once. */
  readonly capacity?: number;
  /** Of these, how many one source may have begun; half of the capacity unless told. */
  readonly perSource?: number;
  /** How long an incomplete packet waits, in milliseconds. */
  readonly lifetimeMs?: number;
}

const NO_ROOM = new Uint8Array(0);

/** One incomplete packet: up to seven copied pieces, one behind the other in one room. */
interface Incomplete {
  readonly from: string;
  readonly createdAt: number;
  /** Where each is; undefined = it has not come. */
  readonly pieces: (Uint8Array | undefined)[];
  room: Uint8Array;
  /** Pieces came one after the other so far, so that the room holds the packet as it is. */
  isInOrder: boolean;
  /** Pieces in all; 0 until a fragment has told. */
  total: number;
  held: number;
  bytes: number;
}

/**
 * Incomplete packets addressed to this node, bounded in number, bytes and time.
 *
 * Entries are found by packet id alone: head and fragments of one packet may come over different paths (one
 * direct, one relayed). `from` names the source of a datagram as the caller wants to bound it (an endpoint, or a
 * prefix) and is charged for the entry that its datagram began: a source at its limit loses its own oldest entry,
 * and a full table takes the oldest entry of the source that holds most. So junk from one place cannot flush
 * what others are sending.
 *
 * Stricter than the reference in two ways nobody sees on the wire: entries expire, and a fragment must number
 * less than its own total and agree with the total told first.
 */
export class Reassembly {
  readonly #capacity: number;
  readonly #perSource: number;
  readonly #lifetimeMs: number;
  /** In order of creation, so that the oldest is first. */
  readonly #entries = new Map<bigint, Incomplete>();
  readonly #heldBy = new Map<string, number>();
  #evicted = 0;
  #expired = 0;
  #refused = 0;

  constructor(options: ReassemblyOptions = {}) {
    this.#capacity = Math.max(1, options.capacity ?? QUEUE_ENTRIES);
    this.#perSource = Math.max(1, options.perSource ?? this.#capacity >> 1);
    this.#lifetimeMs = options.lifetimeMs ?? QUEUE_LIFETIME_MS;
  }

  /** How many packets may be incomplete at once. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Incomplete packets held. */
  get size(): number {
    return this.#entries.size;
  }

  /** Incomplete packets given up for newer ones, since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Incomplete packets that waited too long, since the start. */
  get expired(): number {
    return this.#expired;
  }

  /** Pieces refused (impossible numbers, contradicting totals) and packets overrunning the limit, since the start. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * Takes the head of a fragmented packet (flag 0x40), copying it. Returns the complete packet if this was the
   * last missing piece, else null.
   */
  head(from: string, packet: Uint8Array, now: number): Uint8Array | null {
    return this.#piece(from, packetIdOf(packet), 0, 0, packet, now);
  }

  /** Takes one fragment datagram, copying its data. Returns the complete packet if it was the last piece, else null. */
  fragment(from: string, bytes: Uint8Array, now: number): Uint8Array | null {
    const total = bytes.length < MIN_FRAGMENT_BYTES ? 0 : fragmentTotal(bytes);
    const number = total === 0 ? 0 : fragmentNumber(bytes);
    if (total < 2 || total > MAX_FRAGMENTS || number < 1 || number >= total) {
      this.#refused++;
      return null;
    }
    return this.#piece(from, fragmentPacketId(bytes), number, total, fragmentData(bytes), now);
  }

  /** Forgets entries that waited too long. Every arrival does it, too; a timer may, to give memory back. */
  expire(now: number): void {
    for (const [id, entry] of this.#entries) {
      if (now - entry.createdAt <= this.#lifetimeMs) break;
      this.#remove(id, entry);
      this.#expired++;
    }
  }

  #piece(from: string, id: bigint, number: number, total: number, data: Uint8Array, now: number): Uint8Array | null {
    this.expire(now);
    const entry = this.#entries.get(id) ?? this.#create(id, from, now);
    if (entry.pieces[number] !== undefined) return null;
    if (total !== 0 && entry.total !== 0 && total !== entry.total) {
      this.#refused++;
      return null;
    }
    if (entry.bytes + data.length > MAX_PACKET_BYTES) {
      this.#remove(id, entry);
      this.#refused++;
      return null;
    }
    this.#keep(entry, number, Math.max(total, entry.total), data);
    entry.held++;
    if (total !== 0) entry.total = total;
    if (entry.held !== entry.total) return null;
    this.#remove(id, entry);
    return entry.isInOrder ? entry.room.subarray(0, entry.bytes) : concatenate(entry);
  }

  /** Copies a piece behind the others. Most packets have two pieces of about the same length, so that is the first room. */
  #keep(entry: Incomplete, number: number, total: number, data: Uint8Array): void {
    if (entry.bytes + data.length > entry.room.length) {
      const bytes = Math.max(entry.bytes + data.length, Math.min(Math.max(total, 2) * data.length, MAX_PACKET_BYTES));
      const room = new Uint8Array(bytes);
      room.set(entry.room.subarray(0, entry.bytes));
      relocate(entry, room);
    }
    entry.room.set(data, entry.bytes);
    entry.pieces[number] = entry.room.subarray(entry.bytes, entry.bytes + data.length);
    entry.isInOrder &&= number === entry.held;
    entry.bytes += data.length;
  }

  #create(id: bigint, from: string, now: number): Incomplete {
    if ((this.#heldBy.get(from) ?? 0) >= this.#perSource) this.#evictOldestOf(from);
    else if (this.#entries.size >= this.#capacity) this.#evictOldestOf(this.#greediest());
    const pieces = new Array<Uint8Array | undefined>(MAX_FRAGMENTS).fill(undefined);
    const entry: Incomplete = {
      from,
      createdAt: now,
      pieces,
      room: NO_ROOM,
      isInOrder: true,
      total: 0,
      held: 0,
      bytes: 0,
    };
    this.#entries.set(id, entry);
    this.#heldBy.set(from, (this.#heldBy.get(from) ?? 0) + 1);
    return entry;
  }

  #remove(id: bigint, entry: Incomplete): void {
    this.#entries.delete(id);
    const left = (this.#heldBy.get(entry.from) ?? 1) - 1;
    if (left > 0) this.#heldBy.set(entry.from, left);
    else this.#heldBy.delete(entry.from);
  }

  /** The source with most entries; among equals the one that has been holding any for longest. */
  #greediest(): string {
    let most = 0;
    let greediest = "";
    for (const [from, held] of this.#heldBy) {
      if (held > most) {
        most = held;
        greediest = from;
      }
    }
    return greediest;
  }

  #evictOldestOf(from: string): void {
    for (const [id, entry] of this.#entries) {
      if (entry.from !== from) continue;
      this.#remove(id, entry);
      this.#evicted++;
      return;
    }
  }
}

/** Gives an entry another room, to which its pieces have been copied. */
function relocate(entry: Incomplete, room: Uint8Array): void {
  for (const [number, piece] of entry.pieces.entries()) {
    if (piece !== undefined) entry.pieces[number] = room.subarray(piece.byteOffset, piece.byteOffset + piece.length);
  }
  entry.room = room;
}

function concatenate(entry: Incomplete): Uint8Array {
  const packet = new Uint8Array(entry.bytes);
  let at = 0;
  for (let number = 0; number < entry.total; number++) {
    const piece = entry.pieces[number]!;
    packet.set(piece, at);
    at += piece.length;
  }
  return packet;
}
