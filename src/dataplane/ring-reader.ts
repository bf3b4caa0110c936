/** Main's end of the rings: sleeps until a worker rings, then hands on what is there, a little at a time. */
import { readSockaddr } from "../io/linux/sockaddr.ts";
import type { Turn } from "../io/turn.ts";
import type { Datagram } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_PACKET_BYTES } from "../protocol/constants.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import { classifyDatagram, isFragmented } from "../protocol/packet.ts";
import { awaitBell } from "./bell.ts";
import { Kind, type Ring, type RingRecord } from "./ring.ts";

/** Records of one ring per turn of the event loop: HELLOs cost enough that timers and requests would starve. */
const RECORDS_PER_TURN = 64;
const TWO_POW_32 = 0x100000000;

/** A relayed packet whose sender or pair main has to look at. */
export interface Sighting {
  readonly from: Endpoint;
  readonly socket: number;
  /** Length of the datagram, bytes. */
  readonly bytes: number;
}

/** Who hears of relayed pairs. */
export interface Notices {
  /** The pair should be introduced now; the packet came from where its source is. */
  pairDue(source: Address, destination: Address): void;
  /** A packet that was relayed came from elsewhere. */
  seenElsewhere(source: Address, destination: Address, sighting: Sighting): void;
}

export class RingReader {
  receive: (datagram: Datagram) => void = () => {};
  notices: Notices = { pairDue: () => {}, seenElsewhere: () => {} };
  readonly #rings: readonly Ring[];
  readonly #bell: Int32Array;
  readonly #turnOfWork: Turn;
  readonly #pieceRoom = new Uint8Array(MAX_PACKET_BYTES);
  #stopped = false;

  constructor(rings: readonly Ring[], bell: Int32Array, turn: Turn) {
    this.#rings = rings;
    this.#bell = bell;
    this.#turnOfWork = turn;
  }

  start(): void {
    this.#turn();
  }

  /** Nothing is handed on after this. */
  stop(): void {
    this.#stopped = true;
    Atomics.notify(this.#bell, 0);
  }

  readonly #turn = (): void => {
    if (this.#stopped) return;
    const heard = Atomics.load(this.#bell, 0);
    let more = false;
    for (const ring of this.#rings) more = this.#turnOfWork.run(() => this.#drain(ring)) || more;
    if (more) setImmediate(this.#turn);
    else awaitBell(this.#bell, heard, this.#turn);
  };

  /** Hands on some records. True if there may be more. */
  #drain(ring: Ring): boolean {
    for (let i = 0; i < RECORDS_PER_TURN; i++) {
      const record = ring.peek();
      if (record === null) return false;
      this.#handOn(ring, record);
    }
    return true;
  }

  /**
   * A copy: not everything works on shared memory, and the record's room is needed. Pieces of packets are copied once more
   * at once (protocol/fragment.ts), so one room does for all of them; others may stay longer than we know.
   */
  #copy(bytes: Uint8Array): Uint8Array {
    if (bytes.length > this.#pieceRoom.length || !isPiece(bytes)) return new Uint8Array(bytes);
    const copy = this.#pieceRoom.subarray(0, bytes.length);
    copy.set(bytes);
    return copy;
  }

  #handOn(ring: Ring, record: RingRecord): void {
    const { kind, socket, payloadAt, payloadBytes } = record;
    const from = readSockaddr(ring.bytes, record.fromAt);
    const [sourceHigh, sourceLow, high, low, length] = ring.words.subarray(payloadAt >> 2, (payloadAt >> 2) + 5);
    const bytes = kind === Kind.DATAGRAM ? this.#copy(ring.bytes.subarray(payloadAt, payloadAt + payloadBytes)) : null;
    ring.release();
    if (from === null) return;
    if (bytes !== null) this.receive({ bytes, from, socket });
    else {
      const source = addressOf(sourceHigh!, sourceLow!);
      const destination = addressOf(high!, low!);
      if (kind === Kind.PAIR_DUE) this.notices.pairDue(source, destination);
      else this.notices.seenElsewhere(source, destination, { from, socket, bytes: length! });
    }
  }
}

function isPiece(bytes: Uint8Array): boolean {
  const kind = classifyDatagram(bytes);
  return kind === "fragment" || (kind === "packet" && isFragmented(bytes));
}

function addressOf(high: number, low: number): Address {
  return high * TWO_POW_32 + (low >>> 0);
}
