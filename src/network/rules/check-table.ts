/**
 * One table checked, action by action: whether the matches in front of an action can hold at all, whether it can be
 * reached, and whether what it names exists. Facts: vl2-rules.md §2, §4.
 */
import { type Address, formatAddress, isReservedAddress } from "../../protocol/address.ts";
import { formatIp } from "../../protocol/inet-address.ts";
import type { Finding, FindingKind, Severity } from "./check.ts";
import { type Contradiction, examineChain } from "./contradiction.ts";
import { isForward, isMatch } from "./evaluate.ts";
import type { NamedRules, NamedTable } from "./named-rules.ts";
import { MAX_CAPABILITY_RULES, MAX_NETWORK_RULES, type Rule, type TagMatch } from "./rule.ts";

export class TableCheck {
  readonly #names: NamedRules;
  readonly #table: NamedTable;
  /** Those that members look at. */
  readonly #rules: readonly Rule[];
  readonly #capability: string | null;
  readonly #defined: ReadonlySet<number>;
  readonly #members: ReadonlySet<Address> | null;
  readonly #findings: Finding[] = [];
  /** A tag of the peer may have been unknown to the sender, and so the next DROP without effect. */
  #maySkipDrop = false;

  constructor(names: NamedRules, table: NamedTable, capability: string | null, members: ReadonlySet<Address> | null) {
    this.#names = names;
    this.#table = table;
    this.#rules = table.rules.slice(0, capability === null ? MAX_NETWORK_RULES : MAX_CAPABILITY_RULES);
    this.#capability = capability;
    this.#defined = new Set(names.tags.map(({ id }) => id));
    this.#members = members;
  }

  run(): readonly Finding[] {
    const rules = this.#rules;
    let first = 0;
    for (const [index, rule] of rules.entries()) {
      if (isMatch(rule)) continue;
      const ends = this.#statement(first, index);
      first = index + 1;
      if (ends && first < rules.length) {
        const message = `never reached: "${this.#names.textOf(rule)}" above it takes every frame`;
        this.#tell(first, "warning", "unreachable", message);
        return this.#findings;
      }
    }
    if (first < this.#table.rules.length && rules.length === this.#table.rules.length) {
      this.#tell(first, "warning", "without-effect", "these matches are followed by no action");
    }
    return this.#findings;
  }

  /** Checks the matches from `first` on and the action at `action`. True if no frame gets past it. */
  #statement(first: number, action: number): boolean {
    const chain = this.#rules.slice(first, action);
    const rule = this.#rules[action]!;
    if (chain[0]?.or) {
      const message = `${this.#quote(first)} comes first in its statement, and so it always holds: take the "or" away`;
      this.#tell(first, "warning", "always-matches", message);
    }
    for (let index = first; index < action; index++) this.#match(index);
    this.#target(action);
    const { isAlways, isNever, contradictions } = examineChain(chain);
    for (const contradiction of contradictions) this.#contradiction(first, action, contradiction, isNever);
    if (chain.some(isTagMatch)) this.#maySkipDrop = true;
    if (!isAlways) return false;
    if (rule.type === "ACTION_DROP" && this.#maySkipDrop) {
      this.#maySkipDrop = false;
      return false;
    }
    return endsTable(rule);
  }

  #contradiction(first: number, action: number, { at, with: other }: Contradiction, isNever: boolean): void {
    const index = first + at;
    const taken = isNever ? `, so ${this.#quote(action)} is never taken` : "";
    const severity: Severity = isNever ? "error" : "warning";
    if (other === null) {
      const message = `${this.#quote(index)} never holds${taken}${whyNever(this.#rules[index]!)}`;
      this.#tell(index, severity, "never-matches", message);
      return;
    }
    const chain = this.#rules.slice(first, action);
    const isAcross = !isNever && chain.slice(other, at).some(({ or }) => or);
    const order = isAcross ? ': matches are read from left to right, so it limits what is before the "or" as well' : "";
    const message = `${this.#quote(index)} cannot hold together with ${this.#quote(first + other)} before it${taken}${order}`;
    this.#tell(index, severity, "never-matches", message);
  }

  #match(index: number): void {
    const rule = this.#rules[index]!;
    if (!isTagMatch(rule) || this.#defined.has(rule.id)) return;
    const message = `no tag has the id ${rule.id}: members without it fail this, with "not" as well; define the tag`;
    this.#tell(index, "error", "undefined-tag", message);
  }

  #target(index: number): void {
    const rule = this.#rules[index]!;
    if (!isForward(rule)) return;
    const target = formatAddress(rule.address);
    if (isReservedAddress(rule.address)) {
      this.#tell(index, "error", "unknown-target", `no node can have the address ${target}`);
    } else if (this.#members !== null && !this.#members.has(rule.address)) {
      const lost = rule.type === "ACTION_REDIRECT" ? "frames that go there are lost" : "copies that go there are lost";
      this.#tell(index, "error", "unknown-target", `${target} is no authorized member of the network: ${lost}`);
    }
  }

  #quote(index: number): string {
    return `"${this.#names.textOf(this.#rules[index]!)}"`;
  }

  #tell(index: number, severity: Severity, kind: FindingKind, message: string): void {
    const origin = this.#table.origins[index] ?? null;
    const place = origin && { line: origin.line, column: origin.column };
    this.#findings.push({ severity, kind, message, place, capability: this.#capability, rule: index });
  }
}

/** A match that holds for nothing, whatever else is asked. */
function whyNever(rule: Rule): string {
  switch (rule.type) {
    case "MATCH_IPV6_SOURCE":
    case "MATCH_IPV6_DEST":
      return `: ${formatIp(rule.ip)} has bits set behind its first ${rule.bits}; clear them`;
    case "MATCH_VLAN_ID":
    case "MATCH_VLAN_PCP":
    case "MATCH_VLAN_DEI":
      return ": a frame's VLAN header stays in its payload, where rules do not see it";
    case "MATCH_CHARACTERISTICS":
      return ": no frame can have these bits";
    default:
      return "";
  }
}

function endsTable({ type }: Rule): boolean {
  return type === "ACTION_ACCEPT" || type === "ACTION_DROP" || type === "ACTION_BREAK" || type === "ACTION_PRIORITY";
}

function isTagMatch(rule: Rule): rule is TagMatch {
  return rule.type.startsWith("MATCH_TAG");
}
