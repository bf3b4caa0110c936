/**
 * What is probably not meant in a set of rules: what can never be reached or never holds, what is not defined, what is
 * too much, and words that mean something else than they seem to. Facts: vl2-rules.md §2 to §4, controller.md §4
 * (limits).
 */
import type { Address } from "../../protocol/address.ts";
import { TableCheck } from "./check-table.ts";
import { checkDefault, checkWords } from "./check-words.ts";
import type { NamedRules } from "./named-rules.ts";
import { MAX_CAPABILITIES, MAX_CAPABILITY_RULES, MAX_NETWORK_RULES, MAX_TAGS, type Rule } from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** `error`: it cannot work. `warning`: it does nothing, or not what it seems to. */
export type Severity = "error" | "warning";

export type FindingKind =
  /** Two tags, or two capabilities, with one id. */
  | "duplicate-id"
  /** Behind something that ends the table for every frame. */
  | "unreachable"
  /** A test of a tag that no member is given. */
  | "undefined-tag"
  /** TEE, WATCH or REDIRECT to somebody who is no member. */
  | "unknown-target"
  /** More than members or controllers take. */
  | "too-many"
  | "never-matches"
  | "always-matches"
  /** Words that change nothing. */
  | "without-effect"
  | "nothing-accepted"
  /** A word that is read as something else: `80abc` is 80. */
  | "read-otherwise";

export interface Finding {
  readonly severity: Severity;
  /** A short name for scripts. */
  readonly kind: FindingKind;
  /** What it is and what to do about it. */
  readonly message: string;
  /** Null if there is no source. */
  readonly place: SourcePlace | null;
  /** Name of the capability that it is in; null for the network's own rules. */
  readonly capability: string | null;
  /** The rule's index in its table; null if it is about no single rule. */
  readonly rule: number | null;
}

/** Checks. `members` are the addresses that a copy may go to; null if they are not known. Findings in source order. */
export function checkRules(rules: NamedRules, members: ReadonlySet<Address> | null): Finding[] {
  const findings: Finding[] = [];
  const tables = [{ table: rules.base, name: null as string | null }].concat(
    rules.capabilities.map((table) => ({ table, name: table.name })),
  );
  for (const { table, name } of tables) {
    const check = new TableCheck(rules, table, name, members);
    findings.push(...check.run(), ...checkWords(table, name));
  }
  findings.push(...rules.tags.flatMap((tag) => checkDefault(tag)));
  duplicates(rules.tags, "tag", findings);
  duplicates(rules.capabilities, "capability", findings);
  limit(rules.tags.length, MAX_TAGS, "tags", null, findings);
  limit(rules.capabilities.length, MAX_CAPABILITIES, "capabilities", null, findings);
  limit(rules.base.rules.length, MAX_NETWORK_RULES, "rules in a network", null, findings);
  for (const { name, rules: own } of rules.capabilities) {
    limit(own.length, MAX_CAPABILITY_RULES, "rules in a capability", name, findings);
  }
  if (!tables.some(({ table }) => table.rules.some(accepts))) {
    findings.push({
      severity: "warning",
      kind: "nothing-accepted",
      message: "nothing is ever accepted: what no rule accepts is dropped; add an accept",
      place: null,
      capability: null,
      rule: null,
    });
  }
  return inSourceOrder(findings);
}

function accepts({ type }: Rule): boolean {
  return type === "ACTION_ACCEPT" || type === "ACTION_PRIORITY" || type === "ACTION_REDIRECT";
}

function duplicates(
  things: readonly { readonly id: number; readonly name: string; readonly place: SourcePlace | null }[],
  what: string,
  findings: Finding[],
): void {
  const first = new Map<number, string>();
  for (const { id, name, place } of things) {
    const known = first.get(id);
    if (known === undefined) first.set(id, name);
    else {
      const message = `${what} ${name} has the id ${id} of ${what} ${known}: give it another one`;
      findings.push({ severity: "error", kind: "duplicate-id", message, place, capability: null, rule: null });
    }
  }
}

function limit(count: number, max: number, what: string, capability: string | null, findings: Finding[]): void {
  if (count <= max) return;
  const message = `${count} ${what}: members take ${max} and ignore the rest`;
  findings.push({ severity: "error", kind: "too-many", message, place: null, capability, rule: null });
}

/** By place, and once each: what is wrong in a macro is wrong wherever it is included. */
function inSourceOrder(findings: readonly Finding[]): Finding[] {
  const told = new Set<string>();
  return findings
    .filter(({ kind, message, place, capability, rule }) => {
      const key = JSON.stringify(place === null ? [kind, message, capability, rule] : [kind, message, place]);
      return !told.has(key) && told.add(key);
    })
    .sort((a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0));
}
