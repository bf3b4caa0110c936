/**
 * Who sent to whom from where in the last few milliseconds: a small table of one worker. For packets of a flow that is
 * in it nothing has to be looked up or written down about their pair, and a busy relay has little else.
 *
 * | word | of a flow |
 * |---|---|
 * | 0, 1, 2 | destination and source as they lie in a packet, ten bytes |
 * | 3, 4    | family and port, IP of the sender (of IPv6 a mixture) |
 * | 5       | when it was written down: low 32 bits of ms since the epoch |
 */
import { AF_INET } from "../io/linux/sockaddr.ts";
import type { Batch } from "./batch.ts";

/** As long as this a flow needs no second look. */
const RECENT_MS = 32;
const FLOWS = 4096;
const FLOW_WORDS = 8;
const SEEN_AT = 5;
/** Of the third word of the addresses only two bytes are theirs. */
const LAST_WORD_MASK = 0xffff;

export class RecentFlows {
  readonly #batch: Batch;
  readonly #flows = new Int32Array(FLOWS * FLOW_WORDS);

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  /** True if the flow of datagram `i` was remembered a moment ago. */
  isKnown(i: number, now: number): boolean {
    const flows = this.#flows;
    const { words } = this.#batch;
    const packet = (this.#batch.datagramAt(i) + 8) >> 2;
    const name = this.#batch.nameAt(i) >> 2;
    const at = this.#place(packet);
    return (
      flows[at] === words[packet] &&
      flows[at + 1] === words[packet + 1] &&
      flows[at + 2] === (words[packet + 2]! & LAST_WORD_MASK) &&
      flows[at + 3] === words[name] &&
      flows[at + 4] === this.#ipOf(name) &&
      (now - flows[at + SEEN_AT]!) >>> 0 < RECENT_MS
    );
  }

  /** What was to be done about the flow of datagram `i` is done; another flow may have to make room. */
  remember(i: number, now: number): void {
    const flows = this.#flows;
    const { words } = this.#batch;
    const packet = (this.#batch.datagramAt(i) + 8) >> 2;
    const name = this.#batch.nameAt(i) >> 2;
    const at = this.#place(packet);
    flows[at] = words[packet]!;
    flows[at + 1] = words[packet + 1]!;
    flows[at + 2] = words[packet + 2]! & LAST_WORD_MASK;
    flows[at + 3] = words[name]!;
    flows[at + 4] = this.#ipOf(name);
    flows[at + SEEN_AT] = now;
  }

  #place(packet: number): number {
    const { words } = this.#batch;
    let hash = Math.imul(words[packet]! ^ Math.imul(words[packet + 1]!, 0x85ebca6b), 0x9e3779b1);
    hash = Math.imul(hash ^ (words[packet + 2]! & LAST_WORD_MASK) ^ (hash >>> 15), 0xc2b2ae35);
    return (hash >>> 20) * FLOW_WORDS;
  }

  #ipOf(name: number): number {
    const { words } = this.#batch;
    if ((words[name]! & 0xff) === AF_INET) return words[name + 1]!;
    let mixed = words[name + 2]!;
    for (let word = 3; word <= 5; word++) mixed = Math.imul(mixed, 0x9e3779b1) ^ words[name + word]!;
    return mixed;
  }
}
