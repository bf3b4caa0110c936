/**
 * Why a packet gets from one member to another, or does not: both ends evaluated, with every step. The evaluation is
 * the one that frames go through. Facts: vl2-rules.md §2 to §7.
 *
 * A frame to a multicast or broadcast MAC is looked at twice by its sender: once for everybody, when copies are made and
 * nobody's tags are known, and once for each receiver.
 */
import { type Address, formatAddress } from "../../protocol/address.ts";
import { bytesEqual } from "../../protocol/bytes.ts";
import { isMulticastMac, type Mac } from "../../protocol/ethernet.ts";
import type { RuleContext } from "./evaluate.ts";
import { MatchNotes } from "./explain-match.ts";
import { type FilterObserver, filterFrame, SUPER_ACCEPTED } from "./filter.ts";
import { FrameView } from "./frame.ts";
import type { NamedRules, NamedTable } from "./named-rules.ts";
import type { Rule } from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** What matters of a member. */
export interface ExplainedMember {
  readonly address: Address;
  readonly mac: Mac;
  readonly tags: ReadonlyMap<number, number>;
  /** Ids of its capabilities. */
  readonly capabilities: readonly number[];
  /** IP addresses that its certificate says are its own (4 or 16 bytes). */
  readonly ips: readonly Uint8Array[];
}

/** One step of a table. */
export interface ExplainedStep {
  readonly text: string;
  readonly place: SourcePlace | null;
  readonly kind: "match" | "action";
  /** Of a match: whether it holds; null if it was not looked at because the ones before do not. Of an action: taken. */
  readonly holds: boolean | null;
  /** Of a match: what all up to it come to, read from left to right. Of an action: the same as `holds`. */
  readonly soFar: boolean;
  /** What was compared, or what the action did. */
  readonly note: string;
}

export interface ExplainedTable {
  /** Null: the network's own rules. */
  readonly capability: string | null;
  readonly result: string;
  readonly steps: readonly ExplainedStep[];
}

/** One look at the frame. */
export interface ExplainedEnd {
  readonly side: "sender" | "receiver";
  readonly member: Address;
  /** True for the sender's look on behalf of everybody. */
  readonly isForAll: boolean;
  readonly verdict: "accept" | "super-accept" | "drop" | "redirect";
  readonly tables: readonly ExplainedTable[];
  /** Packets that go elsewhere; of a redirect the frame itself. */
  readonly copies: readonly { readonly to: Address; readonly bytes: number }[];
  /** The step that decided; null if nothing did, which is a drop. */
  readonly decidedBy: (ExplainedStep & { readonly capability: string | null }) | null;
  /** One sentence. */
  readonly reason: string;
}

export interface Explanation {
  /** All ends accept it. */
  readonly delivered: boolean;
  /** In their order. The receiver is shown even if the frame does not get to it: what it would do. */
  readonly ends: readonly ExplainedEnd[];
}

export interface ExplainOptions {
  readonly rules: NamedRules;
  readonly from: ExplainedMember;
  readonly to: ExplainedMember;
  readonly etherType: number;
  readonly data: Uint8Array;
  readonly destinationMac: Mac;
  /** The receiver's tags are known to the sender, as after the first packets. */
  readonly tagsKnown: boolean;
  /** Whether the receiver takes an address for the sender's because of how it is made (emulated neighbour discovery). */
  readonly isEmulated: (ip: Uint8Array) => boolean;
}

/** A random match is explained as if the dice fell in the middle. */
const MIDDLE_OF_32_BITS = 0x80000000;

/** Evaluates at both ends. */
export function explainPacket(options: ExplainOptions): Explanation {
  const ends: ExplainedEnd[] = [];
  if (isMulticastMac(options.destinationMac)) ends.push(explainEnd(options, "sender", true));
  ends.push(explainEnd(options, "sender", false), explainEnd(options, "receiver", false));
  return { delivered: ends.every(({ verdict }) => verdict === "accept" || verdict === "super-accept"), ends };
}

function contextOf(options: ExplainOptions, inbound: boolean, isForAll: boolean): RuleContext {
  const { from, to, destinationMac } = options;
  const self = inbound ? to : from;
  const other = inbound ? from : to;
  const knowsOther = inbound || (options.tagsKnown && !isForAll);
  return {
    inbound,
    self: self.address,
    source: from.address,
    destination: isForAll ? 0 : to.address,
    sourceMac: from.mac,
    destinationMac,
    unknownRulesMatch: false,
    localTag: (id) => self.tags.get(id),
    remoteTag: (id) => (knowsOther ? other.tags.get(id) : undefined),
    senderOwnsIp: (ip) => from.ips.some((own) => bytesEqual(own, ip)) || (inbound && options.isEmulated(ip)),
    // Controllers certify no MACs.
    senderOwnsMac: () => false,
    random: () => MIDDLE_OF_32_BITS,
  };
}

function explainEnd(options: ExplainOptions, side: "sender" | "receiver", isForAll: boolean): ExplainedEnd {
  const { rules, from, etherType, data, destinationMac } = options;
  const inbound = side === "receiver";
  const context = contextOf(options, inbound, isForAll);
  const frame = new FrameView().load(etherType, data);
  const recorder = new Recorder(rules, new MatchNotes(rules, frame, context));
  const held = rules.capabilities.filter(({ id }) => from.capabilities.includes(id)).sort((a, b) => a.id - b.id);
  // Copies of a multicast are made once, when the sender looks at it for all.
  const makesCopies = isForAll || !isMulticastMac(destinationMac);
  const { verdict, copies, redirected } = filterFrame(rules.base.rules, held, frame, context, makesCopies, recorder);
  const isAccepted = verdict !== 0 || redirected;
  const decidedBy = recorder.decision(isAccepted);
  const text = redirected
    ? "redirect"
    : verdict === SUPER_ACCEPTED
      ? "super-accept"
      : verdict === 0
        ? "drop"
        : "accept";
  return {
    side,
    member: context.self,
    isForAll,
    verdict: text,
    tables: recorder.tables,
    copies: copies.map(({ to, length }) => ({ to, bytes: length })),
    decidedBy,
    reason: reasonOf(
      decidedBy,
      isAccepted,
      held.map(({ name }) => name),
    ),
  };
}

function reasonOf(decidedBy: ExplainedEnd["decidedBy"], isAccepted: boolean, held: readonly string[]): string {
  const tried = held.length === 0 ? "and the sender has no capability" : `nor does any capability (${held.join(", ")})`;
  if (decidedBy === null) return `no rule accepts it, ${tried}; what nothing accepts is dropped`;
  const { text, place, capability } = decidedBy;
  const where = place === null ? "" : ` in line ${place.line}`;
  const inside = capability === null ? "" : ` of the capability ${capability}`;
  const rule = `"${text}"${where}${inside}`;
  if (isAccepted || !text.startsWith("break")) return `by ${rule}`;
  return held.length === 0
    ? `${rule} leaves it to capabilities, and the sender has none`
    : `${rule} leaves it to capabilities, and none of the sender's accepts it (${held.join(", ")})`;
}

/** Writes down what the evaluation does. */
class Recorder implements FilterObserver {
  readonly tables: { capability: string | null; result: string; steps: ExplainedStep[] }[] = [];
  readonly #rules: NamedRules;
  readonly #notes: MatchNotes;
  #table: NamedTable;

  constructor(rules: NamedRules, notes: MatchNotes) {
    this.#rules = rules;
    this.#notes = notes;
    this.#table = rules.base;
  }

  table(capability: number | null): void {
    const found = this.#rules.capabilities.find(({ id }) => id === capability);
    this.#table = found ?? this.#rules.base;
    this.tables.push({ capability: found?.name ?? null, result: "", steps: [] });
  }

  ended(result: string): void {
    this.tables.at(-1)!.result = result;
  }

  matched(index: number, rule: Rule, step: { matches: boolean; hard: boolean; skipped: boolean; set: boolean }): void {
    if (step.skipped) return this.#add(index, rule, "match", null, step.set, "not looked at");
    // NOT has no effect on these, which surprises.
    const surprise = step.hard && rule.not ? `, so "not" changes nothing` : "";
    this.#add(index, rule, "match", step.matches, step.set, `${this.#notes.of(rule)}${surprise}`);
  }

  acted(index: number, rule: Rule, taken: boolean, note: string): void {
    this.#add(index, rule, "action", taken, taken, note);
  }

  /**
   * The action that decided: the last one taken in the table that accepted; if none did, the DROP or BREAK that ended
   * the network's own rules (in a capability these only end the capability).
   */
  decision(isAccepted: boolean): ExplainedEnd["decidedBy"] {
    const table = isAccepted ? this.tables.at(-1)! : this.tables[0]!;
    const last = table.steps.at(-1);
    const isLeft = last?.text === "break" && last.holds === true;
    if (last === undefined || !(isAccepted || table.result === "DROP" || isLeft)) return null;
    return { ...last, capability: table.capability };
  }

  #add(index: number, rule: Rule, kind: "match" | "action", holds: boolean | null, soFar: boolean, note: string): void {
    const origin = this.#table.origins[index] ?? null;
    const place = origin && { line: origin.line, column: origin.column };
    this.tables.at(-1)!.steps.push({ text: this.#rules.textOf(rule), place, kind, holds, soFar, note });
  }
}

/** An explanation with addresses as people write them, for machines. */
export function explanationJson({ delivered, ends }: Explanation): object {
  return {
    delivered,
    ends: ends.map((end) => ({
      ...end,
      member: formatAddress(end.member),
      copies: end.copies.map(({ to, bytes }) => ({ to: formatAddress(to), bytes })),
    })),
  };
}
