/** An explanation as people read it. */
import type { ExplainedEnd, ExplainedStep, ExplainedTable, Explanation } from "../network/rules/explain.ts";
import { formatAddress } from "../protocol/address.ts";
import { formatMac, type Mac } from "../protocol/ethernet.ts";

/** The frame that was explained. */
export interface ExplainedFrame {
  readonly etherType: number;
  readonly data: Uint8Array;
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
}

const VERDICTS: Readonly<Record<ExplainedEnd["verdict"], string>> = {
  accept: "ACCEPT",
  "super-accept": "ACCEPT, whatever the MACs are",
  drop: "DROP",
  redirect: "REDIRECT",
};
const RESULTS: Readonly<Record<string, string>> = {
  ACCEPT: "accepted",
  SUPER_ACCEPT: "accepted",
  DROP: "dropped",
  REDIRECT: "redirected",
  NO_MATCH: "nothing decided",
};

/**
 * The text: each look at the frame with its tables, each rule with `+` (holds, taken), `-` (does not, not taken) or
 * nothing (not looked at) in front, and behind it what it was compared with; a sentence at the end.
 */
export function explanationText(explanation: Explanation, frame: ExplainedFrame): string {
  const { etherType, data, sourceMac, destinationMac } = frame;
  const type = `0x${etherType.toString(16).padStart(4, "0")}`;
  const head = `frame ${formatMac(sourceMac)} > ${formatMac(destinationMac)}, ethertype ${type}, ${data.length} bytes`;
  return [
    head,
    "",
    ...explanation.ends.flatMap((end, index) => endLines(end, explanation.ends.slice(0, index).every(isAccepting))),
    `${conclusion(explanation)}\n`,
  ].join("\n");
}

function isAccepting({ verdict }: ExplainedEnd): boolean {
  return verdict === "accept" || verdict === "super-accept";
}

function conclusion({ delivered, ends }: Explanation): string {
  const decisive = ends.find((end) => !isAccepting(end)) ?? ends.at(-1)!;
  if (delivered) return `delivered: the receiver accepts it ${decisive.reason}`;
  const does = decisive.verdict === "redirect" ? "sends it elsewhere" : "drops it";
  const who = decisive.isForAll ? "the sender, before it looks at any receiver," : `the ${decisive.side}`;
  const reason = decisive.reason.startsWith("by ") ? ` ${decisive.reason}` : `: ${decisive.reason}`;
  return `NOT delivered: ${who} ${does}${reason}`;
}

function endLines(end: ExplainedEnd, isReached: boolean): string[] {
  const { side, member, isForAll, verdict, tables, copies } = end;
  const whom = isForAll ? ", for all receivers" : "";
  const whether = isReached ? "" : ", if it came to that";
  return [
    `at the ${side} ${formatAddress(member)}${whom}${whether}: ${VERDICTS[verdict]}`,
    ...tables.flatMap(tableLines),
    ...copies.map(({ to, bytes }) => `  ${bytes} bytes go to ${formatAddress(to)}`),
    "",
  ];
}

function tableLines({ capability, result, steps }: ExplainedTable): string[] {
  const name = capability === null ? "rules" : `capability ${capability}`;
  const end = capability !== null && result === "DROP" ? "does not cover it" : (RESULTS[result] ?? result);
  const places = steps.map(({ place }) => (place === null ? "" : String(place.line)));
  const width = Math.max(0, ...places.map((text) => text.length));
  const texts = steps.map((step) => stepText(step));
  const column = Math.min(MAX_TEXT_COLUMNS, Math.max(0, ...texts.map((text) => text.length)));
  return [
    `  ${name}: ${end}`,
    ...steps.map((step, index) => {
      const place = width === 0 ? "" : `${places[index]!.padStart(width)} `;
      return `    ${place}${texts[index]!.padEnd(column)}  ${noteOf(step)}`.trimEnd();
    }),
  ];
}

const MAX_TEXT_COLUMNS = 48;

function stepText({ kind, holds, text }: ExplainedStep): string {
  const mark = holds === null ? " " : holds ? "+" : "-";
  return kind === "match" ? `${mark}   ${text}` : `${mark} ${text}`;
}

function noteOf({ kind, text, holds, note, soFar }: ExplainedStep): string {
  // From here on a match's own result is no longer that of all.
  const isLinked = kind === "match" && holds !== null && text.startsWith("or ");
  return isLinked ? `${note} (so far ${soFar ? "yes" : "no"})` : note;
}
