/**
 * Evaluates one table of rules for one frame, at one end. Facts: vl2-rules.md §2.
 *
 * A chain of matches is folded strictly from left to right, then decides about the next action; an action that does
 * not end the table begins a new chain.
 */
import type { Address } from "../../protocol/address.ts";
import type { Mac } from "../../protocol/ethernet.ts";
import type { FrameView } from "./frame.ts";
import { HARD_NO, HARD_YES, matchRule, SOFT_YES, YES_AND_SKIP_DROP } from "./match.ts";
import { type ForwardAction, LAST_ACTION_CODE, type Rule } from "./rule.ts";

/** What a table is evaluated with, apart from the frame's payload. */
export interface RuleContext {
  /** The receiving end. */
  readonly inbound: boolean;
  /** The node that evaluates. */
  readonly self: Address;
  /** The node that sent the frame. */
  readonly source: Address;
  /** The node that gets it; 0 while that is not known (first pass of multicast and bridged frames). */
  readonly destination: Address;
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  /** A match of a type that nobody knows counts as matching (network flag 0x8). */
  readonly unknownRulesMatch: boolean;
  /** Our own tag. */
  localTag(id: number): number | undefined;
  /** The other node's tag, if it showed a usable one. */
  remoteTag(id: number): number | undefined;
  /** Whether the frame's sender owns this IP (4 or 16 bytes, to be copied if it is kept): §3.1, "ipauth". */
  senderOwnsIp(ip: Uint8Array): boolean;
  senderOwnsMac(mac: Mac): boolean;
  /** 32 random bits. */
  random(): number;
}

export type TableResult = "NO_MATCH" | "DROP" | "ACCEPT" | "SUPER_ACCEPT" | "REDIRECT";

/** A copy of the frame for somebody else. */
export interface FrameCopy {
  readonly to: Address;
  /** Bytes of the payload. */
  readonly length: number;
  readonly watch: boolean;
}

/** What a table said. `rule` is the index of the rule that ended it, −1 if none did. */
export interface TableOutcome {
  result: TableResult;
  /** Of the frame afterwards: REDIRECT changes it. */
  destination: Address;
  copy: FrameCopy | null;
  /** Queue of a PRIORITY action, else null. */
  bucket: number | null;
  rule: number;
}

/** Sees each step of an evaluation; for explaining, not for frames in a hurry. */
export interface RuleObserver {
  /** `set` is the chain's state behind this match. `hard` results ignore NOT. */
  matched(index: number, rule: Rule, step: { matches: boolean; hard: boolean; skipped: boolean; set: boolean }): void;
  acted(index: number, rule: Rule, taken: boolean, note: string): void;
}

const MAX_BUCKET = 8;
const DEFAULT_BUCKET = 4;

/** Runs the table; `into` is overwritten. */
export function evaluateTable(
  rules: readonly Rule[],
  frame: FrameView,
  context: RuleContext,
  into: TableOutcome,
  observer?: RuleObserver,
): TableResult {
  into.destination = context.destination;
  into.copy = null;
  into.bucket = null;
  let set = true;
  let skipDrop = false;
  let superAccept = false;
  for (let index = 0; index < rules.length; index++) {
    const rule = rules[index]!;
    if (isMatch(rule)) {
      if (!set && !rule.or) {
        observer?.matched(index, rule, { matches: false, hard: false, skipped: true, set });
        continue;
      }
      const outcome = matchRule(rule, frame, context, superAccept);
      if (outcome === YES_AND_SKIP_DROP) skipDrop = true;
      const hard = outcome === HARD_NO || outcome === HARD_YES || outcome === YES_AND_SKIP_DROP;
      const matches = hard ? outcome !== HARD_NO : (outcome === SOFT_YES) !== rule.not;
      set = rule.or ? set || matches : set && matches;
      observer?.matched(index, rule, { matches, hard, skipped: false, set });
      continue;
    }
    if (!set) {
      if (context.inbound && isForward(rule) && rule.address === context.self) superAccept = true;
      observer?.acted(index, rule, false, "its matches do not hold");
      set = true;
      continue;
    }
    into.rule = index;
    switch (rule.type) {
      case "ACTION_PRIORITY":
        into.bucket = rule.bucket <= MAX_BUCKET ? rule.bucket : DEFAULT_BUCKET;
        observer?.acted(index, rule, true, "accepted");
        return finish(into, "ACCEPT");
      case "ACTION_DROP":
        if (!skipDrop) {
          observer?.acted(index, rule, true, "dropped");
          return finish(into, "DROP");
        }
        skipDrop = false;
        observer?.acted(index, rule, true, "not dropped here: the receiver's tags are not known yet, it decides");
        break;
      case "ACTION_ACCEPT":
        observer?.acted(index, rule, true, superAccept ? "accepted whatever the MACs are" : "accepted");
        return finish(into, superAccept ? "SUPER_ACCEPT" : "ACCEPT");
      case "ACTION_BREAK":
        observer?.acted(index, rule, true, "table left");
        return finish(into, "NO_MATCH");
      case "ACTION_TEE":
      case "ACTION_WATCH":
      case "ACTION_REDIRECT": {
        const result = forward(rule, frame, context, into);
        observer?.acted(index, rule, true, forwardNote(rule, context, result));
        if (result !== null) return finish(into, result);
        break;
      }
      default:
        observer?.acted(index, rule, true, "unknown action, does nothing");
        break;
    }
  }
  into.rule = -1;
  return finish(into, "NO_MATCH");
}

/** A fresh outcome to evaluate into. */
export function newOutcome(): TableOutcome {
  return { result: "NO_MATCH", destination: 0, copy: null, bucket: null, rule: -1 };
}

function finish(into: TableOutcome, result: TableResult): TableResult {
  into.result = result;
  return result;
}

/** TEE, WATCH, REDIRECT. Null if the table goes on. */
function forward(rule: ForwardAction, frame: FrameView, context: RuleContext, into: TableOutcome): TableResult | null {
  const { address } = rule;
  if (address === context.source) return null;
  if (address === context.self) return context.inbound ? "SUPER_ACCEPT" : null;
  if (address === into.destination) return null;
  if (rule.type === "ACTION_REDIRECT") {
    into.destination = address;
    return "REDIRECT";
  }
  const length = rule.length === 0 ? frame.length : Math.min(rule.length, frame.length);
  into.copy = { to: address, length, watch: rule.type === "ACTION_WATCH" };
  return null;
}

function forwardNote(rule: ForwardAction, context: RuleContext, result: TableResult | null): string {
  if (result === "SUPER_ACCEPT") return "this node is the target: accepted whatever the MACs are";
  if (result === "REDIRECT") return "goes to the target instead";
  if (rule.address === context.source) return "no copy: the target is the sender";
  if (rule.address === context.self) return "no copy: the target is this node";
  if (rule.address === context.destination) return "no copy: the target is the receiver";
  return "a copy goes to the target";
}

export function isForward(rule: Rule): rule is ForwardAction {
  return rule.type === "ACTION_TEE" || rule.type === "ACTION_WATCH" || rule.type === "ACTION_REDIRECT";
}

/** Whether a rule is a match; the others are actions. */
export function isMatch(rule: Rule): boolean {
  return rule.type === "UNKNOWN" ? rule.code > LAST_ACTION_CODE : rule.type.charCodeAt(0) === LETTER_M;
}

const LETTER_M = 77;
