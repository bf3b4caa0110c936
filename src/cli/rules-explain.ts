/** `orrery rules explain`: what happens to one packet between two members. */
import { type Explanation, explainPacket, explanationJson } from "../network/rules/explain.ts";
import { FrameView } from "../network/rules/frame.ts";
import { senderIpOf } from "../network/rules/match.ts";
import { type DescribedPacket, describePacket, PacketDescriptionError } from "../network/rules/packet-description.ts";
import { BROADCAST_MAC, type Mac } from "../protocol/ethernet.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, printJson } from "./context.ts";
import { namedRules, type RulesOptions } from "./rule-sources.ts";
import { explanationText } from "./rules-explain-text.ts";
import { type RulesMember, rulesMember } from "./rules-member.ts";

export interface ExplainCommandOptions extends RulesOptions {
  readonly file?: string;
  readonly from?: string;
  readonly to?: string;
  readonly fromTag?: readonly string[];
  readonly toTag?: readonly string[];
  readonly fromCap?: readonly string[];
  readonly fromIp?: readonly string[];
  readonly toIp?: readonly string[];
  readonly multicast?: boolean;
  readonly broadcast?: boolean;
  readonly first?: boolean;
}

/** 224.0.0.251, of mDNS. */
const SOME_GROUP: Mac = 0x01005e0000fb;

/** Runs it; ends with exit code 1 if the packet does not arrive. */
export async function explainCommand(context: CliContext, text: string, options: ExplainCommandOptions): Promise<void> {
  const { rules } = await namedRules(context, options.file, options);
  const side = { rules, options };
  const from = await rulesMember(context, {
    ...side,
    role: "sender",
    word: options.from,
    tags: options.fromTag ?? [],
    capabilities: options.fromCap ?? [],
    ips: options.fromIp ?? [],
  });
  const to = await rulesMember(context, {
    ...side,
    role: "receiver",
    word: options.to,
    tags: options.toTag ?? [],
    capabilities: [],
    ips: options.toIp ?? [],
  });
  const packet = described(context, text, from, to);
  const destinationMac = options.broadcast ? BROADCAST_MAC : options.multicast ? SOME_GROUP : (packet.group ?? to.mac);
  const explanation: Explanation = explainPacket({
    rules,
    from: { ...from, ips: from.areIpsKnown ? from.ips : [...from.ips, ...saidIp(packet)] },
    to,
    etherType: packet.etherType,
    data: packet.data,
    destinationMac,
    tagsKnown: options.first !== true,
    isEmulated: to.isEmulated,
  });
  if (options.json) printJson(context, explanationJson(explanation));
  else context.stdout(explanationText(explanation, { ...packet, destinationMac, sourceMac: from.mac }));
  if (!explanation.delivered) throw new CliExit(EXIT_FAILURE);
}

/** The address that the packet says its sender has. A sender of whom nothing is known is believed. */
function saidIp({ etherType, data }: DescribedPacket): Uint8Array[] {
  const ip = senderIpOf(new FrameView().load(etherType, data));
  return ip === null ? [] : [new Uint8Array(ip)];
}

function described(context: CliContext, text: string, from: RulesMember, to: RulesMember): DescribedPacket {
  try {
    return describePacket(text, { from: from.ips, to: to.ips });
  } catch (error) {
    if (error instanceof PacketDescriptionError) return fail(context, `orrery: ${error.message}`);
    throw error;
  }
}
