/** `orrery rules explain`: what happens to one packet between two members. */

import { MemberMacs } from "../network/mac.ts";
import { type ExplainedEnd, type ExplainedMember, type Explanation, explainPacket } from "../network/rules/explain.ts";
import type { NamedRules } from "../network/rules/named-rules.ts";
import { describePacket, PacketDescriptionError } from "../network/rules/packet-description.ts";
import { type Address, formatAddress, parseAddress } from "../protocol/address.ts";
import { BROADCAST_MAC, type Mac } from "../protocol/ethernet.ts";
import { parseIp } from "../protocol/inet-address.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, printJson } from "./context.ts";
import { type ApiObject, askController } from "./controller-client.ts";
import { namedRules, type RulesOptions } from "./rule-sources.ts";

export interface ExplainCommandOptions extends RulesOptions {
  readonly file?: string;
  readonly from?: string;
  readonly to?: string;
  readonly fromTag: readonly string[];
  readonly toTag: readonly string[];
  readonly fromCap: readonly string[];
  readonly multicast?: boolean;
  readonly broadcast?: boolean;
  readonly first?: boolean;
}

/** Stand in for members that are not named. */
const SOME_SENDER: Address = 0x1111111111;
const SOME_RECEIVER: Address = 0x2222222222;
const SOME_NETWORK = 0x8056c2e21c000001n;
const SOME_GROUP: Mac = 0x01005e0000fb;

/** Runs it; ends with exit code 1 if the packet does not arrive. */
export async function explainCommand(context: CliContext, text: string, options: ExplainCommandOptions): Promise<void> {
  const { rules } = await namedRules(context, options.file, options);
  const from = await member(context, rules, options, options.from, SOME_SENDER, options.fromTag, options.fromCap);
  const to = await member(context, rules, options, options.to, SOME_RECEIVER, options.toTag, []);
  const packet = described(context, text);
  const explanation = explainPacket({
    rules,
    from,
    to,
    packet,
    destinationMac: options.broadcast ? BROADCAST_MAC : options.multicast ? SOME_GROUP : destinationOf(packet),
    tagsKnown: options.first !== true,
  });
  if (options.json) printJson(context, withAddresses(explanation));
  else context.stdout(explanationText(explanation));
  if (!explanation.delivered) throw new CliExit(EXIT_FAILURE);
}

/** A broadcast or multicast IP says so by itself; an ARP request is broadcast. */
function destinationOf({ etherType, destination }: ReturnType<typeof describePacket>): Mac | null {
  if (etherType === 0x0806 && destination === null) return BROADCAST_MAC;
  if (destination === null) return null;
  if (destination.every((byte) => byte === 0xff)) return BROADCAST_MAC;
  const isMulticast = destination.length === 4 ? destination[0]! >> 4 === 14 : destination[0] === 0xff;
  return isMulticast ? SOME_GROUP : null;
}

function described(context: CliContext, text: string) {
  try {
    return describePacket(text);
  } catch (error) {
    if (error instanceof PacketDescriptionError) return fail(context, `orrery: ${error.message}`);
    throw error;
  }
}

/** A member as the controller knows it, with what the command line says on top. */
async function member(
  context: CliContext,
  rules: NamedRules,
  options: ExplainCommandOptions,
  word: string | undefined,
  otherwise: Address,
  tagWords: readonly string[],
  capabilityWords: readonly string[],
): Promise<ExplainedMember> {
  const address = word === undefined ? otherwise : parseAddress(word);
  if (address === null) return fail(context, `orrery: "${word}" is no member: an address has ten hex digits`);
  const known =
    options.network === undefined || word === undefined
      ? null
      : await askController(context, options, "GET", `/networks/${options.network}/members/${word}`);
  const tags = new Map<number, number>();
  for (const tag of rules.tags) if (tag.default !== null) tags.set(tag.id, tag.default);
  for (const [id, value] of knownTags(known)) tags.set(id, value);
  for (const one of tagWords) tags.set(...tagOf(context, rules, one));
  const network = options.network === undefined ? SOME_NETWORK : BigInt(`0x${options.network}`);
  return {
    address,
    mac: new MemberMacs(network).macOf(address),
    tags,
    capabilities: [
      ...(known === null
        ? rules.capabilities.flatMap(({ id, default: isDefault }) => (isDefault ? [id] : []))
        : ((known["capabilities"] ?? []) as readonly number[])),
      ...capabilityWords.map((name) => capabilityOf(context, rules, name)),
    ],
    ips: ((known?.["addresses"] ?? []) as readonly string[]).flatMap((text) => parseIp(text.split("/")[0]!) ?? []),
  };
}

function knownTags(known: ApiObject | null): [number, number][] {
  const tags = (known?.["tags"] ?? []) as readonly (readonly [number, number] | { id: number; value: number })[];
  return tags.map((tag) => ("id" in tag ? [tag.id, tag.value] : [tag[0], tag[1]]));
}

function tagOf(context: CliContext, rules: NamedRules, word: string): [number, number] {
  const [name = "", value = ""] = word.split("=", 2);
  const tag = rules.tags.find((one) => one.name === name || String(one.id) === name);
  if (tag === undefined)
    return fail(
      context,
      `orrery: no tag "${name}": known are ${rules.tags.map((one) => one.name).join(", ") || "none"}`,
    );
  const flag = tag.flags[value];
  const number =
    tag.enums[value] ?? (flag === undefined ? Number(value === "" ? Number.NaN : value) : (1 << flag) >>> 0);
  if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) {
    const names = [...Object.keys(tag.enums), ...Object.keys(tag.flags)].join(", ");
    return fail(
      context,
      `orrery: "${value}" is no value of tag ${tag.name}: a number${names === "" ? "" : `, or ${names}`}`,
    );
  }
  return [tag.id, number];
}

function capabilityOf(context: CliContext, rules: NamedRules, name: string): number {
  const found = rules.capabilities.find((one) => one.name === name || String(one.id) === name);
  if (found !== undefined) return found.id;
  return fail(
    context,
    `orrery: no capability "${name}": known are ${rules.capabilities.map((one) => one.name).join(", ") || "none"}`,
  );
}

function withAddresses(explanation: Explanation): unknown {
  const end = (one: ExplainedEnd | null) =>
    one && {
      ...one,
      member: formatAddress(one.member),
      copies: one.copies.map(({ to, bytes }) => ({ to: formatAddress(to), bytes })),
    };
  return { ...explanation, sender: end(explanation.sender), receiver: end(explanation.receiver) };
}

function explanationText({ delivered, sender, receiver }: Explanation): string {
  const ends = receiver === null ? [sender] : [sender, receiver];
  return `${ends.map(endText).join("\n")}\n${delivered ? "delivered" : "NOT delivered"}: ${reason(delivered, receiver ?? sender)}\n`;
}

function reason(delivered: boolean, last: ExplainedEnd): string {
  if (last.decidedBy === null) return "no rule accepts it, and what no rule accepts is dropped";
  const { text, place, capability } = last.decidedBy;
  const where = place === null ? "" : ` in line ${place.line}`;
  const inside = capability === null ? "" : ` of capability ${capability}`;
  return `${delivered ? "both ends accept it, the receiver" : `the ${last.side} decides`} by "${text}"${where}${inside}`;
}

function endText({ side, member: address, verdict, tables, copies }: ExplainedEnd): string {
  const parts = [`at the ${side} ${formatAddress(address)}: ${verdict}`];
  for (const { capability, steps, result } of tables) {
    parts.push(
      `  ${capability === null ? "the network's rules" : `capability ${capability}`}: ${result.toLowerCase().replace("_", " ")}`,
    );
    for (const { text, kind, holds, note, place } of steps) {
      const mark = holds === null ? " " : kind === "action" ? (holds ? ">" : "-") : holds ? "+" : "x";
      const line = place === null ? "" : `${place.line}: `.padStart(6);
      parts.push(`    ${line}${mark} ${text}${note === "" ? "" : `  (${note})`}`);
    }
  }
  for (const { to, bytes } of copies) parts.push(`  a copy of ${bytes} bytes goes to ${formatAddress(to)}`);
  return parts.join("\n");
}
