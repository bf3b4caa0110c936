/**
 * What the main thread and one relay worker share: orders in one direction, counters in the other. Each field has one
 * writer. A list of sockets is announced by its generation; the worker says which generation it uses, and main changes
 * nothing more before that.
 *
 * | words | field | writer |
 * |---|---|---|
 * | 0 | stop: 1 = end | main |
 * | 1 | round: odd = in the middle of a batch | worker |
 * | 2 | generation of the sockets | main |
 * | 3 | generation in use | worker |
 * | 4 | 1 = we are a root and may relay | main |
 * | 5 | number of sockets | main |
 * | 6 | number of physical rules | main |
 * | 8 … | sockets: id, descriptor | main |
 * | … | physical rules: family, bits, blacklisted, unused, 16 bytes IP | main |
 * | … | counters (doubles) | worker |
 */
import { DROP_REASONS, type DropReason } from "../node/statistics.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";

/** Local addresses and ports that a worker can read. */
export const MAX_SOCKETS = 512;
const MAX_RULES = 32;
/** Linux numbers its errors below this. */
const MAX_ERRNO = 134;

const STOP = 0;
const ROUND = 1;
const GENERATION = 2;
const GENERATION_IN_USE = 3;
const MAY_RELAY = 4;
const SOCKETS = 5;
const RULES = 6;
const SOCKET_LIST = 8;
const RULE_LIST = SOCKET_LIST + 2 * MAX_SOCKETS;
const RULE_WORDS = 8;
const COUNTERS = RULE_LIST + RULE_WORDS * MAX_RULES;

/** The counters, by their place. Drops follow by DROP_REASONS, then send errors by errno. */
export const Count = {
  FORWARDED_PACKETS: 0,
  FORWARDED_BYTES: 1,
  FORWARDED_FRAGMENTS: 2,
  BYTES_IN: 3,
  DATAGRAMS_IN: 4,
  BYTES_OUT: 5,
  DATAGRAMS_OUT: 6,
  RECEIVE_ERRORS: 7,
  /** Successful recvmmsg and sendmmsg calls. */
  RECEIVE_CALLS: 8,
  SEND_CALLS: 9,
  /** Messages that left as several datagrams, their datagrams, and how often the kernel refused one. */
  SEGMENTED_MESSAGES: 10,
  SEGMENTED_DATAGRAMS: 11,
  SEGMENTED_REFUSED: 12,
} as const;
const FIRST_DROP = 13;
const FIRST_ERRNO = FIRST_DROP + DROP_REASONS.length;
const COUNTS = FIRST_ERRNO + MAX_ERRNO;

/** Where a drop is counted. */
export function dropCount(reason: DropReason): number {
  return FIRST_DROP + DROP_REASONS.indexOf(reason);
}

/** Where a send error is counted. */
export function errnoCount(errno: number): number {
  return FIRST_ERRNO + Math.min(Math.max(errno, 0), MAX_ERRNO - 1);
}

/** One physical rule, as far as a relay cares; the first that contains an address counts. */
export interface RelayRule {
  readonly prefix: IpPrefix;
  readonly blacklist: boolean;
}

export class WorkerMemory {
  readonly memory: SharedArrayBuffer;
  readonly counters: Float64Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory = new SharedArrayBuffer(COUNTERS * 4 + COUNTS * 8)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.counters = new Float64Array(memory, COUNTERS * 4, COUNTS);
  }

  get stopping(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  set stopping(stop: boolean) {
    Atomics.store(this.#words, STOP, stop ? 1 : 0);
  }

  get mayRelay(): boolean {
    return this.#words[MAY_RELAY] === 1;
  }

  set mayRelay(may: boolean) {
    Atomics.store(this.#words, MAY_RELAY, may ? 1 : 0);
  }

  /** Odd while the worker is in the middle of a batch and may look at what the peer table said. */
  get round(): number {
    return Atomics.load(this.#words, ROUND);
  }

  /** Worker: a batch begins or ends. Main: the same for a worker that died in the middle of one. */
  turn(): void {
    Atomics.add(this.#words, ROUND, 1);
  }

  /** Main: the sockets to read from now on. Gives the generation to wait for. */
  setSockets(sockets: readonly { readonly id: number; readonly fd: number }[]): number {
    const used = sockets.slice(0, MAX_SOCKETS);
    used.forEach(({ id, fd }, i) => {
      this.#words[SOCKET_LIST + 2 * i] = id;
      this.#words[SOCKET_LIST + 2 * i + 1] = fd;
    });
    this.#words[SOCKETS] = used.length;
    return Atomics.add(this.#words, GENERATION, 1) + 1;
  }

  get generation(): number {
    return Atomics.load(this.#words, GENERATION);
  }

  get generationInUse(): number {
    return Atomics.load(this.#words, GENERATION_IN_USE);
  }

  set generationInUse(generation: number) {
    Atomics.store(this.#words, GENERATION_IN_USE, generation);
  }

  /** Worker: the sockets that main wants read. */
  sockets(): { readonly id: number; readonly fd: number }[] {
    return Array.from({ length: this.#words[SOCKETS]! }, (_, i) => ({
      id: this.#words[SOCKET_LIST + 2 * i]!,
      fd: this.#words[SOCKET_LIST + 2 * i + 1]!,
    }));
  }

  /** Main: which sources are not relayed for. A reader may see old and new rules mixed for a moment. */
  setRules(rules: readonly RelayRule[]): void {
    const blacklists = rules.some(({ blacklist }) => blacklist);
    const used = blacklists ? rules.slice(0, MAX_RULES) : [];
    Atomics.store(this.#words, RULES, 0);
    used.forEach(({ prefix, blacklist }, i) => {
      const at = RULE_LIST + i * RULE_WORDS;
      this.#words.set([prefix.family, prefix.bits, blacklist ? 1 : 0], at);
      this.#bytes.set(prefix.ip, (at + 4) * 4);
    });
    Atomics.store(this.#words, RULES, used.length);
  }

  /** Worker: true if datagrams from the IP of `family` at `at` are not relayed. */
  isBlacklisted(bytes: Uint8Array, at: number, family: number): boolean {
    const rules = this.#words[RULES]!;
    for (let i = 0; i < rules; i++) {
      const rule = RULE_LIST + i * RULE_WORDS;
      if (this.#words[rule] === family && this.#contains(rule, bytes, at)) return this.#words[rule + 2] === 1;
    }
    return false;
  }

  #contains(rule: number, bytes: Uint8Array, at: number): boolean {
    const bits = this.#words[rule + 1]!;
    const ip = (rule + 4) * 4;
    const whole = bits >> 3;
    for (let i = 0; i < whole; i++) if (this.#bytes[ip + i] !== bytes[at + i]) return false;
    const rest = bits & 7;
    return rest === 0 || ((this.#bytes[ip + whole]! ^ bytes[at + whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
  }

  /** Calls `each` for every errno with a count. */
  sendErrors(each: (errno: number, count: number) => void): void {
    for (let errno = 0; errno < MAX_ERRNO; errno++) {
      const count = this.counters[FIRST_ERRNO + errno]!;
      if (count > 0) each(errno, count);
    }
  }
}
