/**
 * Traces: members whose configuration names us as the target (`remoteTraceTarget`) tell what they drop and refuse, and
 * why. Bounded per member and in all, and passed on as events; nothing is kept. Facts: vl2-networks.md §8, vl1-packets.md §5.20.
 */
import type { Millis } from "../node/ports.ts";
import type { Handler } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import { toHex } from "../protocol/bytes.ts";
import { Dictionary } from "../protocol/dictionary.ts";
import { decodeRemoteTrace } from "../protocol/messages/remote-trace.ts";
import type { ControllerEvent } from "./ports.ts";
import type { MemberSessions } from "./sessions.ts";
import type { ControllerStatistics } from "./statistics.ts";

/** Traces a second of one member and of all, on average; the burst is ten seconds' worth. */
const PER_MEMBER_PER_SECOND = 2;
const TOTAL_PER_SECOND = 50;
const BURST_SECONDS = 10;
/** Members whose budget is remembered; beyond it the first ones are forgotten. */
const MAX_REMEMBERED = 1000;
const MAX_FIELDS = 32;
const MAX_VALUE_BYTES = 256;

/** What the numbers of traces mean. */
const EVENTS: Readonly<Record<number, string>> = {
  8192: "outgoing frame dropped",
  8193: "incoming access denied",
  8194: "incoming frame dropped",
  8195: "credential rejected",
  8196: "credential accepted",
  8197: "configuration requested",
  8198: "filter",
};

class Budget {
  readonly #perSecond: number;
  #left: number;
  #at: Millis;

  constructor(perSecond: number, now: Millis) {
    this.#perSecond = perSecond;
    this.#left = perSecond * BURST_SECONDS;
    this.#at = now;
  }

  take(now: Millis): boolean {
    const earned = (Math.max(0, now - this.#at) * this.#perSecond) / 1000;
    this.#left = Math.min(this.#perSecond * BURST_SECONDS, this.#left + earned);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

export class TraceReceiver {
  readonly #sessions: MemberSessions;
  readonly #statistics: ControllerStatistics;
  readonly #emit: (event: ControllerEvent) => void;
  readonly #all = new Budget(TOTAL_PER_SECOND, 0);
  readonly #members = new Map<Address, Budget>();

  constructor(sessions: MemberSessions, statistics: ControllerStatistics, emit: (event: ControllerEvent) => void) {
    this.#sessions = sessions;
    this.#statistics = statistics;
    this.#emit = emit;
  }

  /** REMOTE_TRACE. */
  readonly handle: Handler = (_node, { peer, payload, now }) => {
    const decoded = decodeRemoteTrace(payload);
    if (!decoded.ok || decoded.value.traces.length === 0) {
      this.#statistics.traces.malformed++;
      return decoded.ok;
    }
    for (const trace of decoded.value.traces) this.#trace(peer.address, trace, now);
    return true;
  };

  #trace(address: Address, bytes: Uint8Array, now: Millis): void {
    const { traces } = this.#statistics;
    if (!this.#budgetOf(address, now).take(now) || !this.#all.take(now)) {
      traces.rate_limited++;
      return;
    }
    const dictionary = new Dictionary(bytes);
    const networkId = dictionary.u64("networkId", 0n);
    // Whoever never asked us for this network has nothing to tell about it.
    if (this.#sessions.find(networkId, address) === undefined) {
      traces.unknown_member++;
      return;
    }
    traces.shown++;
    const number = Number(dictionary.u64("event", 0n) & 0xffffn);
    const event = EVENTS[number] ?? number.toString(16).padStart(4, "0");
    this.#emit({ type: "member-trace", networkId, address, event, fields: fieldsOf(dictionary) });
  }

  #budgetOf(address: Address, now: Millis): Budget {
    let budget = this.#members.get(address);
    if (budget !== undefined) return budget;
    budget = new Budget(PER_MEMBER_PER_SECOND, now);
    this.#members.set(address, budget);
    if (this.#members.size > MAX_REMEMBERED) {
      for (const first of this.#members.keys()) {
        this.#members.delete(first);
        break;
      }
    }
    return budget;
  }
}

/** What a trace says, as text; what is no text is hex. */
function fieldsOf(dictionary: Dictionary): Record<string, string> {
  const fields: Record<string, string> = {};
  let count = 0;
  for (const key of dictionary.keys()) {
    if (key === "event" || key === "networkId" || !/^[a-zA-Z][a-zA-Z0-9]{0,31}$/.test(key)) continue;
    if (++count > MAX_FIELDS) break;
    const value = dictionary.bytes(key, MAX_VALUE_BYTES) ?? new Uint8Array(0);
    const isText = key !== "frameData" && value.every((byte) => byte >= 0x20 && byte < 0x7f);
    fields[key] = isText ? String.fromCharCode(...value) : toHex(value);
  }
  return fields;
}
