/** `bond` and `listbonds`: cli.md §2, layouts as recorded. */
import type { JsonObject, JsonValue } from "../json/json.ts";
import { isJsonObject } from "../json/json.ts";
import { EXIT_USAGE, failWithReply, fetchJson, printReadJson, type ServiceSession } from "./client.ts";
import { CliExit } from "./context.ts";
import { numberOf, objectsOf, stringOf } from "./json-fields.ts";

const RULE = `${"-".repeat(120)}\n`;
const SOCKET_DIGITS = 16;

/** A table of bonded peers, or with -j all peers. */
export async function listBonds(session: ServiceSession, verb: "bond" | "listbonds"): Promise<void> {
  const peers = await fetchJson(session, verb, "/peer");
  if (session.json) {
    printReadJson(session, peers);
    return;
  }
  const rows = objectsOf(peers)
    .filter((peer) => peer["isBonded"] === true)
    .map((peer) => {
      const links = `${numberOf(peer["numAliveLinks"])}/${numberOf(peer["numTotalLinks"])}`;
      const policy = stringOf(peer["bondingPolicyStr"]).padStart(32);
      return `${stringOf(peer["address"]).padStart(10)}  ${policy}         ${links}\n`;
    });
  const none = `      NONE\t\t\t\tNONE\t    NONE       NONE\n`;
  const header = "    <peer>                        <bondtype>     <links>\n";
  session.context.stdout(`${header}${rows.length === 0 ? none : rows.join("")}`);
}

function linkTables(links: readonly JsonObject[]): string {
  const integer = (value: JsonValue | undefined, width: number) => String(numberOf(value)).padStart(width);
  const places = links.map((link, index) => {
    const socket = numberOf(link["localSocket"]).toString(16).padStart(SOCKET_DIGITS, "0");
    const ends = `${stringOf(link["ifname"]).padStart(26)} ${stringOf(link["address"]).padStart(51)}`;
    return `${String(index).padStart(2)}: ${ends} ${socket} ${integer(link["localPort"], 12)}\n`;
  });
  const qualities = links.map((link, index) => {
    const latency = numberOf(link["latencyMean"]).toFixed(2).padStart(8);
    const variance = numberOf(link["latencyVariance"]).toFixed(2).padStart(8);
    const quality = numberOf(link["relativeQuality"]).toFixed(4).padStart(7);
    const ages = `${integer(link["lastInAge"], 11)} ${integer(link["lastOutAge"], 11)}`;
    const state = `${integer(link["eligible"], 9)} ${integer(link["bonded"], 7)}`;
    const speed = integer(link["givenLinkSpeed"], 10);
    const flows = integer(link["assignedFlowCount"], 7);
    return `${String(index).padStart(2)}: ${latency} ${variance} ${speed} ${quality} ${ages} ${state} ${flows}\n`;
  });
  const placeHeader =
    "idx                  interface                                  path               socket             local port\n";
  const qualityHeader = "idx     lat      pdv    capacity    qual      rx_age      tx_age  eligible  bonded   flows\n";
  return `\n${placeHeader}${RULE}${places.join("")}\n${qualityHeader}${RULE}${qualities.join("")}`;
}

async function showBond(session: ServiceSession, peer: string): Promise<void> {
  const bond = await fetchJson(session, "bond", `/bond/show/${encodeURIComponent(peer)}`);
  if (session.json) {
    printReadJson(session, bond);
    return;
  }
  const fields = isJsonObject(bond) ? bond : {};
  const rows: [string, string | number][] = [
    ["Peer", peer],
    ["Bond", stringOf(fields["bondingPolicyStr"])],
    // The API does not tell it; the reference prints 0.
    ["Link Select Method", 0],
    ["Links", `${numberOf(fields["numAliveLinks"])}/${numberOf(fields["numTotalLinks"])}`],
    ["Failover Interval (ms)", numberOf(fields["failoverInterval"])],
    ["Up Delay (ms)", numberOf(fields["upDelay"])],
    ["Down Delay (ms)", numberOf(fields["downDelay"])],
    ["Packets Per Link", numberOf(fields["packetsPerLink"])],
  ];
  const head = rows.map(([label, value]) => `${label.padEnd(22)} : ${value}\n`).join("");
  session.context.stdout(`${head}${linkTables(objectsOf(fields["paths"]))}`);
}

async function rotateBond(session: ServiceSession, peer: string): Promise<void> {
  const reply = await session.send("POST", `/bond/rotate/${encodeURIComponent(peer)}`, "{}");
  if (reply.status !== 200) failWithReply(session, "bond", reply);
  session.context.stdout(session.json ? reply.body : "200 rotate OK\n");
}

async function setMtu(session: ServiceSession, words: readonly string[]): Promise<void> {
  const path = words.map(encodeURIComponent).join("/");
  const reply = await session.send("POST", `/bond/setmtu/${path}`, "{}");
  if (reply.status !== 200) failWithReply(session, "Failed to set MTU:", reply);
  session.context.stdout("200 setmtu OK\n");
}

/**
 * `bond list`, `bond <peer> show|rotate`, `bond setmtu <mtu> <interface> <ip>`. The last one takes its three words
 * wherever the switches stand, which the reference does not.
 */
export async function bond(session: ServiceSession, words: readonly string[]): Promise<void> {
  const [first, second, ...rest] = words;
  if (first === "list") return await listBonds(session, "bond");
  if (first === "setmtu")
    return await setMtu(
      session,
      [second, ...rest].filter((word) => word !== undefined),
    );
  if (first !== undefined && second === "show") return await showBond(session, first);
  if (first !== undefined && second === "rotate") return await rotateBond(session, first);
  session.context.stdout("(bond) command is missing required arguments\n");
  throw new CliExit(EXIT_USAGE);
}
