/**
 * Why a packet gets from one member to another, or does not: both ends evaluated, with every step. The evaluation is
 * the one that frames go through. Facts: vl2-rules.md §2–§7.
 */
import type { Address } from "../../protocol/address.ts";
import { bytesEqual } from "../../protocol/bytes.ts";
import type { Mac } from "../../protocol/ethernet.ts";
import type { RuleContext } from "./evaluate.ts";
import { type FilterObserver, type FilterVerdict, filterFrame } from "./filter.ts";
import { FrameView } from "./frame.ts";
import type { NamedRules, NamedTable } from "./named-rules.ts";
import type { DescribedPacket } from "./packet-description.ts";
import type { Rule, TagMatch } from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** What matters of a member. */
export interface ExplainedMember {
  readonly address: Address;
  readonly mac: Mac;
  readonly tags: ReadonlyMap<number, number>;
  /** Ids of its capabilities. */
  readonly capabilities: readonly number[];
  /** Addresses that its certificate says are its own (4 or 16 bytes). */
  readonly ips: readonly Uint8Array[];
}

/** One step of a table. */
export interface ExplainedStep {
  readonly text: string;
  readonly place: SourcePlace | null;
  readonly kind: "match" | "action";
  /** Of a match: whether it holds; null if it was not looked at because the ones before do not. Of an action: taken. */
  readonly holds: boolean | null;
  /** What was compared, or what the action did. */
  readonly note: string;
}

export interface ExplainedTable {
  /** Null: the network's own rules. */
  readonly capability: string | null;
  readonly result: string;
  readonly steps: readonly ExplainedStep[];
}

/** One end. */
export interface ExplainedEnd {
  readonly side: "sender" | "receiver";
  readonly member: Address;
  readonly verdict: "accept" | "drop" | "redirect";
  readonly tables: readonly ExplainedTable[];
  /** Copies that go elsewhere. */
  readonly copies: readonly { readonly to: Address; readonly bytes: number }[];
  /** The step that decided; null if nothing did, which is a drop. */
  readonly decidedBy: (ExplainedStep & { readonly capability: string | null }) | null;
}

export interface Explanation {
  readonly delivered: boolean;
  readonly sender: ExplainedEnd;
  /** Null if the packet does not leave the sender. */
  readonly receiver: ExplainedEnd | null;
}

export interface ExplainOptions {
  readonly rules: NamedRules;
  readonly from: ExplainedMember;
  readonly to: ExplainedMember;
  readonly packet: DescribedPacket;
  /** The Ethernet destination if it is not the receiver's MAC (multicast, broadcast). */
  readonly destinationMac: Mac | null;
  /** The receiver's tags are known to the sender, as after the first packets. */
  readonly tagsKnown: boolean;
}

/** A random match is explained as if the dice fell in the middle. */
const MIDDLE_OF_32_BITS = 0x80000000;

export function explainPacket(options: ExplainOptions): Explanation {
  const sender = explainEnd(options, false);
  if (sender.verdict !== "accept") return { delivered: false, sender, receiver: null };
  const receiver = explainEnd(options, true);
  return { delivered: receiver.verdict === "accept", sender, receiver };
}

function explainEnd(options: ExplainOptions, inbound: boolean): ExplainedEnd {
  const { rules, from, to, packet, destinationMac } = options;
  const self = inbound ? to : from;
  const other = inbound ? from : to;
  const knowsOther = inbound || options.tagsKnown;
  const context: RuleContext = {
    inbound,
    self: self.address,
    source: from.address,
    destination: to.address,
    sourceMac: from.mac,
    destinationMac: destinationMac ?? to.mac,
    unknownRulesMatch: false,
    localTag: (id) => self.tags.get(id),
    remoteTag: (id) => (knowsOther ? other.tags.get(id) : undefined),
    senderOwnsIp: (ip) => from.ips.some((own) => bytesEqual(own, ip)),
    senderOwnsMac: () => false,
    random: () => MIDDLE_OF_32_BITS,
  };
  const frame = new FrameView().load(packet.etherType, packet.data);
  const recorder = new Recorder(rules, context, frame);
  const held = rules.capabilities.filter(({ id }) => from.capabilities.includes(id)).sort((a, b) => a.id - b.id);
  const outcome = filterFrame(rules.base.rules, held, frame, context, true, recorder);
  return {
    side: inbound ? "receiver" : "sender",
    member: self.address,
    verdict: outcome.redirected ? "redirect" : verdictText(outcome.verdict),
    tables: recorder.tables,
    copies: outcome.copies.map(({ to: target, length }) => ({ to: target, bytes: length })),
    decidedBy: recorder.decision(outcome.verdict !== 0 || outcome.redirected),
  };
}

function verdictText(verdict: FilterVerdict): "accept" | "drop" {
  return verdict === 0 ? "drop" : "accept";
}

/** Writes down what the evaluation does. */
class Recorder implements FilterObserver {
  readonly tables: { capability: string | null; result: string; steps: ExplainedStep[] }[] = [];
  readonly #rules: NamedRules;
  readonly #context: RuleContext;
  readonly #frame: FrameView;
  #table: NamedTable;

  constructor(rules: NamedRules, context: RuleContext, frame: FrameView) {
    this.#rules = rules;
    this.#context = context;
    this.#frame = frame;
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

  matched(index: number, rule: Rule, step: { matches: boolean; hard: boolean; skipped: boolean }): void {
    const note = step.skipped ? "not looked at" : this.#compared(rule, step);
    this.#add(index, rule, "match", step.skipped ? null : step.matches, note);
  }

  acted(index: number, rule: Rule, taken: boolean, note: string): void {
    this.#add(index, rule, "action", taken, note);
  }

  /** The last action that was taken in the table that decided. */
  decision(accepted: boolean): ExplainedEnd["decidedBy"] {
    const table = accepted ? this.tables.at(-1) : this.tables.find(({ result }) => result === "DROP");
    const step = table?.steps.findLast(({ kind, holds }) => kind === "action" && holds === true);
    return table === undefined || step === undefined ? null : { ...step, capability: table.capability };
  }

  #add(index: number, rule: Rule, kind: "match" | "action", holds: boolean | null, note: string): void {
    const place = this.#table.places[index] ?? null;
    this.tables.at(-1)!.steps.push({ text: this.#rules.textOf(rule), place, kind, holds, note });
  }

  #compared(rule: Rule, { hard, matches }: { hard: boolean; matches: boolean }): string {
    const frame = this.#frame;
    if (rule.type.startsWith("MATCH_TAG")) return this.#tags(rule as TagMatch);
    if (hard && !matches) return "the packet has nothing of the kind, so this is false, with not too";
    switch (rule.type) {
      case "MATCH_ETHERTYPE":
        return `the EtherType is 0x${frame.etherType.toString(16).padStart(4, "0")}`;
      case "MATCH_IP_PROTOCOL":
        return `the protocol is ${frame.isV4 ? frame.v4Protocol : frame.v6Protocol}`;
      case "MATCH_IP_SOURCE_PORT_RANGE":
        return `the source port is ${this.#port(0)}`;
      case "MATCH_IP_DEST_PORT_RANGE":
        return `the destination port is ${this.#port(2)}`;
      case "MATCH_FRAME_SIZE_RANGE":
        return `the payload has ${frame.length} bytes`;
      case "MATCH_RANDOM":
        return "as if the dice fell in the middle";
      default:
        return "";
    }
  }

  #port(offset: number): number {
    return this.#frame.u16((this.#frame.isV4 ? this.#frame.v4Position : this.#frame.v6Position) + offset);
  }

  #tags({ id }: TagMatch): string {
    const tag = this.#rules.tags.find((one) => one.id === id);
    const own = this.#value(this.#context.localTag(id), tag?.enums);
    const other = this.#value(this.#context.remoteTag(id), tag?.enums);
    const name = tag?.name ?? String(id);
    return `${name}: own ${own}, other ${other}${this.#context.inbound ? "" : other === "unknown" ? "; the receiver will decide" : ""}`;
  }

  #value(value: number | undefined, enums: Readonly<Record<string, number>> = {}): string {
    if (value === undefined) return "unknown";
    const name = Object.entries(enums).find(([, one]) => one === value)?.[0];
    return name === undefined ? String(value) : `${value} (${name})`;
  }
}
