/**
 * A network's rules for one frame at one end: the base table, then capabilities, then what is to be sent where.
 * Facts: vl2-rules.md §6.
 */
import type { Address } from "../../protocol/address.ts";
import { evaluateTable, type FrameCopy, newOutcome, type RuleContext, type RuleObserver } from "./evaluate.ts";
import type { FrameView } from "./frame.ts";
import type { CapabilityRules, Rule } from "./rule.ts";

/** Sub-type and acknowledgement bits of the EXT_FRAME that carries a copy (§6.3). */
export const CopyFlag = {
  TEE_OUT: 0x02,
  REDIRECT_OUT: 0x04,
  WATCH_OUT: 0x16,
  TEE_IN: 0x08,
  REDIRECT_IN: 0x0a,
  WATCH_IN: 0x1c,
} as const;

/** A packet that a rule asks for. */
export interface FilterCopy {
  readonly to: Address;
  readonly flags: number;
  /** Bytes of the payload. */
  readonly length: number;
}

export const DROPPED = 0;
export const ACCEPTED = 1;
/** Accepted whatever its MACs are: this node is the target of a rule. */
export const SUPER_ACCEPTED = 2;
export type FilterVerdict = 0 | 1 | 2;

export interface FilterOutcome {
  verdict: FilterVerdict;
  /** To be sent in this order, whatever the verdict. */
  copies: FilterCopy[];
  /** Some rule sent the frame elsewhere instead. */
  redirected: boolean;
  /** Which capability decided; null for the base table or nobody. */
  capability: number | null;
}

/** Sees which table is evaluated when an evaluation is explained. */
export interface FilterObserver extends RuleObserver {
  /** A table begins: the base one (null) or a capability's. */
  table(capability: number | null): void;
  ended(result: string): void;
}

const NO_COPIES: FilterCopy[] = [];
const base = newOutcome();
const extra = newOutcome();
const shared: FilterOutcome = { verdict: DROPPED, copies: NO_COPIES, redirected: false, capability: null };

/**
 * Evaluates. `capabilities` are our own (outbound, ascending) or those that the sender showed (inbound). Without
 * `copies` (the second pass of multicast and bridged frames) only redirects are sent. The result is overwritten by the
 * next call.
 */
export function filterFrame(
  rules: readonly Rule[],
  capabilities: Iterable<CapabilityRules>,
  frame: FrameView,
  context: RuleContext,
  copies: boolean,
  observer?: FilterObserver,
): FilterOutcome {
  shared.copies = NO_COPIES;
  shared.redirected = false;
  shared.capability = null;
  observer?.table(null);
  let result = evaluateTable(rules, frame, context, base, observer);
  observer?.ended(result);
  let { destination } = base;
  let capabilityCopy: FrameCopy | null = null;
  if (result === "NO_MATCH") {
    for (const { id, rules: own } of capabilities) {
      observer?.table(id);
      const ended = evaluateTable(own, frame, context, extra, observer);
      observer?.ended(ended);
      if (ended === "NO_MATCH" || ended === "DROP") continue;
      result = ended;
      ({ destination } = extra);
      capabilityCopy = extra.copy;
      shared.capability = id;
      break;
    }
  }
  if (result === "NO_MATCH" || result === "DROP") {
    shared.verdict = DROPPED;
    return shared;
  }
  if (copies || context.inbound) {
    if (capabilityCopy !== null) addCopy(capabilityCopy, context.inbound);
    if (base.copy !== null) addCopy(base.copy, context.inbound);
  }
  if (result === "REDIRECT" && destination !== context.destination && destination !== 0) {
    const flags = context.inbound ? CopyFlag.REDIRECT_IN : CopyFlag.REDIRECT_OUT;
    push({ to: destination, flags, length: frame.length });
    shared.redirected = true;
    shared.verdict = DROPPED;
    return shared;
  }
  shared.verdict = result === "SUPER_ACCEPT" && context.inbound ? SUPER_ACCEPTED : ACCEPTED;
  return shared;
}

function addCopy({ to, length, watch }: FrameCopy, inbound: boolean): void {
  // Address 0 is nobody.
  if (to === 0) return;
  const tee = inbound ? CopyFlag.TEE_IN : CopyFlag.TEE_OUT;
  const flags = watch ? (inbound ? CopyFlag.WATCH_IN : CopyFlag.WATCH_OUT) : tee;
  push({ to, flags, length });
}

/** Copies are rare: most frames share the empty list. */
function push(copy: FilterCopy): void {
  if (shared.copies === NO_COPIES) shared.copies = [copy];
  else shared.copies.push(copy);
}
