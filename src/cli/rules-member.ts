/** A member as `orrery rules explain` needs it: what the controller knows of it, and what the command line says. */
import { isDerivedLikeOurs } from "../network/derived-addresses.ts";
import { MemberMacs } from "../network/mac.ts";
import type { ExplainedMember } from "../network/rules/explain.ts";
import type { NamedRules } from "../network/rules/named-rules.ts";
import { MAX_U32, readNumber } from "../network/rules/numbers.ts";
import { nearestWord } from "../network/rules/source-error.ts";
import { type Address, parseAddress } from "../protocol/address.ts";
import { MAX_OWNED_THINGS } from "../protocol/credential-bytes.ts";
import { type IpPrefix, parseIp } from "../protocol/inet-address.ts";
import { type CliContext, fail } from "./context.ts";
import { type ApiObject, askController } from "./controller-client.ts";
import type { RulesOptions } from "./rule-sources.ts";

/** Stand in for members and a network that are not named. */
const STRANGERS = {
  sender: { address: 0x1111111111, ips: ["10.1.1.1", "fd00::1"] },
  receiver: { address: 0x2222222222, ips: ["10.1.1.2", "fd00::2"] },
} as const;
const SOME_NETWORK = 0x8056c2e21c000001n;

export interface RulesMember extends ExplainedMember {
  /** False if the addresses are made up. */
  readonly areIpsKnown: boolean;
  /** What this member takes for authentic because of how it is made. */
  readonly isEmulated: (ip: Uint8Array) => boolean;
}

export interface MemberWords {
  readonly rules: NamedRules;
  readonly options: RulesOptions;
  readonly role: "sender" | "receiver";
  /** Its address; undefined for somebody who has what every new member has. */
  readonly word: string | undefined;
  /** `tag=value`, on top of what it has. */
  readonly tags: readonly string[];
  readonly capabilities: readonly string[];
  /** Its only addresses, if there are any here. */
  readonly ips: readonly string[];
}

/** Ends the command if a word makes no sense or the controller does not know the member. */
export async function rulesMember(context: CliContext, words: MemberWords): Promise<RulesMember> {
  const { rules, options, role, word } = words;
  const address = word === undefined ? STRANGERS[role].address : parseAddress(word);
  if (address === null) return fail(context, `orrery: "${word}" is no member: an address has ten hex digits`);
  const known =
    options.network === undefined || word === undefined
      ? null
      : await askController(context, options, "GET", `/networks/${options.network}/members/${word.toLowerCase()}`);
  if (known !== null && known["authorized"] !== true) {
    context.stderr(`orrery: ${word} is not authorized: nobody takes its frames, whatever the rules say\n`);
  }
  const networkId = options.network === undefined ? SOME_NETWORK : BigInt(`0x${options.network}`);
  const derived = textsOf(known, "derivedAddresses").flatMap(ipOf);
  const own = [...derived, ...textsOf(known, "ipAssignments").flatMap(ipOf)].slice(0, MAX_OWNED_THINGS);
  const given = words.ips.map((text) => parseIp(text) ?? fail(context, `orrery: "${text}" is no IP address`));
  return {
    address,
    mac: new MemberMacs(networkId).macOf(address),
    tags: tagsOf(context, rules, known, words.tags),
    capabilities: capabilitiesOf(context, rules, known, words.capabilities),
    ips: given.length > 0 ? given : known !== null ? own : STRANGERS[role].ips.map((text) => parseIp(text)!),
    areIpsKnown: known !== null || given.length > 0,
    isEmulated: emulation(networkId, address, derived),
  };
}

/** A network that gives members derived addresses has them answer neighbour discovery for each other. */
function emulation(networkId: bigint, address: Address, derived: readonly Uint8Array[]): RulesMember["isEmulated"] {
  const prefixes = derived.map((ip): IpPrefix => ({ family: 6, ip, bits: 128 }));
  return (ip) => isDerivedLikeOurs(ip, prefixes, networkId, address);
}

function textsOf(known: ApiObject | null, key: string): readonly string[] {
  return (known?.[key] ?? []) as readonly string[];
}

function ipOf(text: string): Uint8Array[] {
  const ip = parseIp(text);
  return ip === null ? [] : [ip];
}

function tagsOf(
  context: CliContext,
  rules: NamedRules,
  known: ApiObject | null,
  words: readonly string[],
): ReadonlyMap<number, number> {
  const tags = new Map<number, number>();
  for (const tag of rules.tags) if (tag.default !== null) tags.set(tag.id, tag.default);
  const held = (known?.["tags"] ?? []) as readonly { readonly id: number; readonly value: number }[];
  for (const { id, value } of held) tags.set(id, value);
  for (const word of words) tags.set(...tagOf(context, rules, word));
  return tags;
}

function tagOf(context: CliContext, rules: NamedRules, word: string): [number, number] {
  const [name = "", value = "", more] = word.split("=");
  if (value === "" || more !== undefined) return fail(context, `orrery: "${word}" is no tag: write tag=value`);
  const tag = rules.tags.find((one) => one.name === name || String(one.id) === name);
  const names = rules.tags.map((one) => one.name);
  if (tag === undefined) return fail(context, `orrery: there is no tag "${name}"${advice(name, names)}`);
  const number = tag.flags[value] ?? tag.enums[value] ?? readNumber(value, MAX_U32);
  if (number !== null) return [tag.id, number];
  const values = [...Object.keys(tag.flags), ...Object.keys(tag.enums)];
  return fail(context, `orrery: the tag ${tag.name} has no value "${value}"${advice(value, values)}`);
}

function capabilitiesOf(
  context: CliContext,
  rules: NamedRules,
  known: ApiObject | null,
  words: readonly string[],
): readonly number[] {
  const held =
    known === null
      ? rules.capabilities.flatMap(({ id, default: isDefault }) => (isDefault ? [id] : []))
      : ((known["capabilities"] ?? []) as readonly number[]);
  const names = rules.capabilities.map(({ name }) => name);
  const added = words.map((word) => {
    const found = rules.capabilities.find(({ name, id }) => name === word || String(id) === word);
    return found?.id ?? fail(context, `orrery: there is no capability "${word}"${advice(word, names)}`);
  });
  return [...held, ...added];
}

function advice(word: string, names: readonly string[]): string {
  if (names.length === 0) return ": there are none";
  const near = nearestWord(word, names);
  return near === null ? `: there are ${names.join(", ")}` : `: did you mean ${near}?`;
}
