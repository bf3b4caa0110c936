/**
 * Who sent to whom from where within the last second: a table of one worker. For packets of a flow that is in it nothing
 * has to be looked up or written down about their pair, and a busy relay has little else.
 *
 * Sets of two flows, one cache line each; the one that was not used last makes room.
 *
 * | word | of a flow |
 * |---|---|
 * | 0, 1, 2 | destination and source as they lie in a packet, ten bytes; above them in word 2 a bit: used last |
 * | 3, 4    | family and port, IP of the sender (of IPv6 a mixture) |
 * | 5       | when it was written down: low 32 bits of ms since the epoch |
 */
import { AF_INET } from "../io/linux/sockaddr.ts";
import { DESTINATION_OFFSET } from "../protocol/packet.ts";
import type { Batch } from "./batch.ts";

/** As long as this a flow needs no second look. The pair memory may be behind by so much. */
export const RECENT_MS = 1000;
/** 2 MiB, of which a worker uses what its flows need: room for more than the flows of 100,000 peers. */
const SETS = 32_768;
const SET_SHIFT = Math.clz32(SETS) + 1;
const SET_WORDS = 16;
const FLOW_WORDS = 8;
const SEEN_AT = 5;
/** Of the third word of the addresses only two bytes are theirs. */
const LAST_WORD_MASK = 0xffff;
const USED_LAST = 0x10000;

export class RecentFlows {
  readonly #batch: Batch;
  readonly #flows = new Int32Array(SETS * SET_WORDS);

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  /** True if the flow of datagram `i` was remembered a moment ago. */
  isKnown(i: number, now: number): boolean {
    const { words } = this.#batch;
    const packet = (this.#batch.datagramAt(i) + DESTINATION_OFFSET) >> 2;
    const set = this.#set(packet);
    const first = words[packet]!;
    let flow = set;
    if (this.#flows[flow] !== first) {
      flow += FLOW_WORDS;
      if (this.#flows[flow] !== first) return false;
    }
    return this.#isAt(flow, i, packet) && (now - this.#flows[flow + SEEN_AT]!) >>> 0 < RECENT_MS;
  }

  /** What was to be done about the flow of datagram `i` is done; another flow may have to make room. */
  remember(i: number, now: number): void {
    const flows = this.#flows;
    const { words } = this.#batch;
    const packet = (this.#batch.datagramAt(i) + DESTINATION_OFFSET) >> 2;
    const name = this.#batch.nameAt(i) >> 2;
    const set = this.#set(packet);
    const other = set + FLOW_WORDS;
    const takeOther = this.#isAt(other, i, packet) || (flows[set + 2]! & USED_LAST && !this.#isAt(set, i, packet));
    const at = takeOther ? other : set;
    const spared = takeOther ? set : other;
    flows[at] = words[packet]!;
    flows[at + 1] = words[packet + 1]!;
    flows[at + 2] = (words[packet + 2]! & LAST_WORD_MASK) | USED_LAST;
    flows[at + 3] = words[name]!;
    flows[at + 4] = this.#ipOf(name);
    flows[at + SEEN_AT] = now;
    flows[spared + 2]! &= LAST_WORD_MASK;
  }

  /** True if a place holds the flow of datagram `i`, however old. */
  #isAt(flow: number, i: number, packet: number): boolean {
    const flows = this.#flows;
    const { words } = this.#batch;
    const name = this.#batch.nameAt(i) >> 2;
    return (
      flows[flow] === words[packet] &&
      flows[flow + 1] === words[packet + 1] &&
      ((flows[flow + 2]! ^ words[packet + 2]!) & LAST_WORD_MASK) === 0 &&
      flows[flow + 3] === words[name] &&
      flows[flow + 4] === this.#ipOf(name)
    );
  }

  #set(packet: number): number {
    const { words } = this.#batch;
    let hash = Math.imul(words[packet]! ^ Math.imul(words[packet + 1]!, 0x85ebca6b), 0x9e3779b1);
    hash = Math.imul(hash ^ (words[packet + 2]! & LAST_WORD_MASK) ^ (hash >>> 15), 0xc2b2ae35);
    return (hash >>> SET_SHIFT) * SET_WORDS;
  }

  #ipOf(name: number): number {
    const { words } = this.#batch;
    if ((words[name]! & 0xff) === AF_INET) return words[name + 1]!;
    let mixed = words[name + 2]!;
    for (let word = 3; word <= 5; word++) mixed = Math.imul(mixed, 0x9e3779b1) ^ words[name + word]!;
    return mixed;
  }
}
