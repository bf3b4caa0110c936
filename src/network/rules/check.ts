/**
 * What is probably not meant in a set of rules: what can never be reached or never match, what is not defined, what is
 * too much. Facts: vl2-rules.md §2–§4 (what makes a match hard), controller.md §4 (limits).
 */
import { type Address, formatAddress } from "../../protocol/address.ts";
import { EtherType } from "../../protocol/ethernet.ts";
import { formatIp } from "../../protocol/inet-address.ts";
import { isForward, isMatch } from "./evaluate.ts";
import { IpProtocol } from "./frame.ts";
import type { NamedRules, NamedTable } from "./named-rules.ts";
import {
  MAX_CAPABILITIES,
  MAX_CAPABILITY_RULES,
  MAX_NETWORK_RULES,
  MAX_TAGS,
  type Rule,
  type TagMatch,
} from "./rule.ts";
import type { SourcePlace } from "./source-error.ts";

/** `error`: it cannot work. `warning`: it does nothing, or not what it seems to. */
export type Severity = "error" | "warning";

export interface Finding {
  readonly severity: Severity;
  /** A short name for scripts. */
  readonly kind:
    | "duplicate-id"
    | "unreachable"
    | "undefined-tag"
    | "unknown-target"
    | "too-many"
    | "never-matches"
    | "always-matches"
    | "without-effect"
    | "nothing-accepted";
  readonly message: string;
  /** Null if there is no source. */
  readonly place: SourcePlace | null;
  /** Name of the capability that it is in; null for the network's own rules. */
  readonly capability: string | null;
}

const IPV6_BITS = 128;
const IPV4_BITS = 32;

/** Checks. `members` are the addresses that a copy may go to; null if they are not known. */
export function checkRules(rules: NamedRules, members: ReadonlySet<Address> | null): Finding[] {
  const findings: Finding[] = [];
  const defined = new Set(rules.tags.map(({ id }) => id));
  new TableCheck(rules, rules.base, null, defined, members, findings).run();
  for (const capability of rules.capabilities) {
    new TableCheck(rules, capability, capability.name, defined, members, findings).run();
  }
  duplicates(rules.tags, "tag", findings);
  duplicates(rules.capabilities, "capability", findings);
  limit(rules.tags.length, MAX_TAGS, "tags", null, findings);
  limit(rules.capabilities.length, MAX_CAPABILITIES, "capabilities", null, findings);
  limit(rules.base.rules.length, MAX_NETWORK_RULES, "rules in a network", null, findings);
  for (const { name, rules: own } of rules.capabilities) {
    limit(own.length, MAX_CAPABILITY_RULES, "rules in a capability", name, findings);
  }
  if (![rules.base, ...rules.capabilities].some((table) => table.rules.some(accepts))) {
    findings.push({
      severity: "warning",
      kind: "nothing-accepted",
      message: "nothing is ever accepted: what no rule accepts is dropped; add an accept",
      place: null,
      capability: null,
    });
  }
  return findings.sort(
    (a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0),
  );
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
      findings.push({ severity: "error", kind: "duplicate-id", message, place, capability: null });
    }
  }
}

function limit(count: number, max: number, what: string, capability: string | null, findings: Finding[]): void {
  if (count <= max) return;
  const message = `${count} ${what}: members take ${max} and ignore the rest`;
  findings.push({ severity: "error", kind: "too-many", message, place: null, capability });
}

class TableCheck {
  readonly #names: NamedRules;
  readonly #table: NamedTable;
  readonly #capability: string | null;
  readonly #defined: ReadonlySet<number>;
  readonly #members: ReadonlySet<Address> | null;
  readonly #findings: Finding[];

  constructor(
    names: NamedRules,
    table: NamedTable,
    capability: string | null,
    defined: ReadonlySet<number>,
    members: ReadonlySet<Address> | null,
    findings: Finding[],
  ) {
    this.#names = names;
    this.#table = table;
    this.#capability = capability;
    this.#defined = defined;
    this.#members = members;
    this.#findings = findings;
  }

  run(): void {
    const { rules } = this.#table;
    let chain: number[] = [];
    let ended = -1;
    for (const [index, rule] of rules.entries()) {
      if (ended >= 0) {
        const by = this.#names.textOf(rules[ended]!);
        this.#tell(index, "warning", "unreachable", `never reached: "${by}" above it takes every frame`);
        return;
      }
      if (isMatch(rule)) {
        this.#match(index, rule, chain.length === 0);
        chain.push(index);
        continue;
      }
      this.#action(index, rule);
      const state = this.#chainState(chain);
      if (state === "never") {
        this.#tell(
          chain[0] ?? index,
          "warning",
          "never-matches",
          `"${this.#names.textOf(rule)}" is never taken: its matches exclude each other`,
        );
      } else if (state === "always" && endsTable(rule)) ended = index;
      chain = [];
    }
    if (chain.length > 0) this.#tell(chain[0]!, "warning", "without-effect", "these matches are followed by no action");
  }

  #match(index: number, rule: Rule, isFirst: boolean): void {
    const { textOf } = this.#names;
    if (rule.or && isFirst) {
      this.#tell(
        index,
        "warning",
        "always-matches",
        `"${textOf(rule)}" comes first in its statement: with "or" it is always true`,
      );
    }
    if (isTagMatch(rule) && !this.#defined.has(rule.id)) {
      this.#tell(
        index,
        "error",
        "undefined-tag",
        `no tag has the id ${rule.id}: no member can have it, so this never matches`,
      );
    }
    if (rule.type === "MATCH_IPV6_SOURCE" || rule.type === "MATCH_IPV6_DEST") {
      if (rule.bits > IPV6_BITS)
        this.#tell(index, "error", "never-matches", `/${rule.bits}: an IPv6 prefix has at most 128 bits`);
      else if (hasHostBits(rule.ip, rule.bits)) {
        const message = `${formatIp(rule.ip)}/${rule.bits} has bits set behind its prefix, so it never matches; clear them`;
        this.#tell(index, "error", "never-matches", message);
      }
    }
    if ((rule.type === "MATCH_IPV4_SOURCE" || rule.type === "MATCH_IPV4_DEST") && rule.bits > IPV4_BITS) {
      this.#tell(index, "error", "never-matches", `/${rule.bits}: an IPv4 prefix has at most 32 bits`);
    }
    if (rule.type === "MATCH_VLAN_ID" && rule.vlanId !== 0 && !rule.not) {
      this.#tell(index, "warning", "never-matches", "frames have no VLAN here: tags of 802.1Q stay in the payload");
    }
  }

  #action(index: number, rule: Rule): void {
    if (!isForward(rule) || this.#members === null || this.#members.has(rule.address)) return;
    const message = `${formatAddress(rule.address)} is no authorized member of the network, so what is sent there is lost`;
    this.#tell(index, "warning", "unknown-target", message);
  }

  /**
   * Whether a chain always or never holds, as far as its matches of EtherType, protocol and family tell; "or" makes it
   * too hard to say.
   */
  #chainState(chain: readonly number[]): "always" | "never" | "depends" {
    const matches = chain.map((index) => this.#table.rules[index]!);
    if (matches.length === 0) return "always";
    if (matches[0]!.or && matches.every(({ or }) => or)) return "always";
    if (matches.some(({ or }) => or)) return "depends";
    const etherTypes = new Set<number>();
    const protocols = new Set<number>();
    for (const match of matches) {
      const family = familyOf(match);
      if (family !== null) etherTypes.add(family);
      if (match.type === "MATCH_ETHERTYPE" && !match.not) etherTypes.add(match.etherType);
      if (match.type === "MATCH_IP_PROTOCOL" && !match.not) protocols.add(match.ipProtocol);
    }
    const needsPorts = matches.some(({ type, not }) => type.endsWith("_PORT_RANGE") && !not);
    const withoutPorts = [...protocols].some((protocol) => !PORT_PROTOCOLS.has(protocol));
    const isNoIp = [...etherTypes].some((etherType) => etherType !== EtherType.IPV4 && etherType !== EtherType.IPV6);
    const needsIp = protocols.size > 0 || matches.some(({ type, not }) => type.endsWith("_PORT_RANGE") && !not);
    if (etherTypes.size > 1 || protocols.size > 1 || (needsPorts && withoutPorts) || (isNoIp && needsIp))
      return "never";
    return "depends";
  }

  #tell(index: number, severity: Severity, kind: Finding["kind"], message: string): void {
    this.#findings.push({
      severity,
      kind,
      message,
      place: this.#table.places[index] ?? null,
      capability: this.#capability,
    });
  }
}

const PORT_PROTOCOLS: ReadonlySet<number> = new Set([
  IpProtocol.TCP,
  IpProtocol.UDP,
  IpProtocol.SCTP,
  IpProtocol.UDP_LITE,
]);

/** The EtherType without which a match is a hard no, whatever `not` says. */
function familyOf({ type }: Rule): number | null {
  if (type === "MATCH_IPV4_SOURCE" || type === "MATCH_IPV4_DEST") return EtherType.IPV4;
  if (type === "MATCH_IPV6_SOURCE" || type === "MATCH_IPV6_DEST") return EtherType.IPV6;
  return null;
}

function endsTable({ type }: Rule): boolean {
  return type === "ACTION_ACCEPT" || type === "ACTION_DROP" || type === "ACTION_BREAK" || type === "ACTION_PRIORITY";
}

function isTagMatch(rule: Rule): rule is TagMatch {
  return rule.type.startsWith("MATCH_TAG");
}

function hasHostBits(ip: Uint8Array, bits: number): boolean {
  return ip.some((byte, i) => (byte & (0xff >> Math.min(Math.max(bits - 8 * i, 0), 8))) !== 0);
}
