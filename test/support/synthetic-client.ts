/**
 * A client for end-to-end tests: the sans-IO node over real sockets, in a process of its own. It lives on a planet
 * like any client, and shows what it sees.
 *
 *   node --import tsx test/support/synthetic-client.ts --planet FILE --identity FILE [--bind IP]... [--port N]
 *
 * Standard output, one JSON object a line:
 *   {"event":"up","address"} {"event":"online"} {"event":"offline"} {"event":"world","timestamp"}
 *   {"event":"message","from","text"}
 *   {"event":"peers","peers":[{"address","role","latency","paths":["ip/port"]}]}   (answer to "peers")
 * Standard input, one JSON object a line:
 *   {"cmd":"send","to":"<10 hex>","text":"..."}  {"cmd":"peers"}  {"cmd":"orbit","id":"<hex>","seed":"<10 hex>"}  {"cmd":"stop"}
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { PeerTable, routesInto } from "../../src/dataplane/peer-table.ts";
import { Reactor } from "../../src/dataplane/reactor.ts";
import { parseIdentity } from "../../src/identity/identity.ts";
import { IdentityPool } from "../../src/identity/pool.ts";
import { now } from "../../src/io/clock.ts";
import { DgramTransport } from "../../src/io/dgram.ts";
import { randomFill } from "../../src/io/random.ts";
import { Node } from "../../src/node/node.ts";
import { PhysicalRules } from "../../src/node/physical.ts";
import { NodeViews } from "../../src/node/views.ts";
import { formatAddress, parseAddress } from "../../src/protocol/address.ts";
import { formatEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { encodeUserMessage } from "../../src/protocol/messages/user-message.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import { Root } from "../../src/root/root.ts";
import { decodeWorld } from "../../src/world/world.ts";

const MESSAGE_KIND = 1n;

const { values } = parseArgs({
  options: {
    planet: { type: "string" },
    identity: { type: "string" },
    bind: { type: "string", multiple: true, default: [] },
    port: { type: "string", default: "9993" },
  },
});

function required(name: "planet" | "identity"): string {
  const path = values[name];
  if (path === undefined) throw new Error(`--${name} FILE is missing`);
  return path;
}

const planet = decodeWorld(readFileSync(required("planet")));
if (!planet.ok) throw new Error("the planet file is no world");
const identity = parseIdentity(readFileSync(required("identity"), "utf8"));
if (identity === null || !identity.hasSecret) throw new Error("the identity file holds no secret identity");

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const pool = new IdentityPool({ threads: 1, maxQueued: 16 });
const transport = new DgramTransport({
  ports: [{ port: Number(values.port), role: "primary" }],
  bind: values.bind.map((text) => parseIp(text)!),
  interfacePrefixBlacklist: [],
  blacklist: [],
  receiveBufferBytes: 1 << 20,
});
const table = PeerTable.create(64, randomFill);
await transport.open((datagram) => reactor.deliver(datagram));
const node: Node = new Node(
  {
    identity,
    planet: planet.value.world,
    moons: [],
    physical: new PhysicalRules(),
    maxPeers: 1000,
    identityGate: { perPrefixPerMinute: 60, perPrefixBurst: 30, perSecond: 50 },
    maxValidations: 16,
    now: now(),
  },
  {
    outbox: transport,
    random: randomFill,
    validator: {
      validate: (ticket, unknown) => pool.validate(unknown, (valid) => node.identityValidated(ticket, valid, now())),
    },
    peerCache: { put: () => {}, remove: () => {} },
    routes: routesInto(table),
    worlds: { savePlanet: () => {}, saveMoon: () => {}, removeMoon: () => {} },
    events: (event) => {
      if (event.type === "online" || event.type === "offline") print({ event: event.type });
      if (event.type === "world-updated") print({ event: "world", timestamp: String(event.timestamp) });
      if (event.type === "user-message") {
        print({ event: "message", from: formatAddress(event.from), text: new TextDecoder().decode(event.data) });
      }
    },
  },
);
const root = new Root(node, { maxPairs: 16, maxMulticastMembers: 16 });
const views = new NodeViews(node, root, new Set());
const reactor: Reactor = new Reactor({ transport, node, root, table, clock: now });
const rescans = setInterval(() => void transport.rescan(), 5000);
reactor.start();
print({ event: "up", address: formatAddress(identity.address) });

interface Command {
  readonly cmd: "send" | "peers" | "orbit" | "stop";
  readonly to?: string;
  readonly text?: string;
  readonly id?: string;
  readonly seed?: string;
}

function obey(command: Command): void {
  switch (command.cmd) {
    case "send": {
      const payload = encodeUserMessage({ kind: MESSAGE_KIND, data: new TextEncoder().encode(command.text) });
      node.send(parseAddress(command.to!)!, Verb.USER_MESSAGE, payload, now());
      reactor.hurry();
      break;
    }
    case "peers": {
      const peers = views.peers(now()).map(({ address, role, latencyMs, paths }) => ({
        address: formatAddress(address),
        role,
        latency: latencyMs,
        paths: paths.filter(({ expired }) => !expired).map(({ endpoint }) => formatEndpoint(endpoint)),
      }));
      print({ event: "peers", peers });
      break;
    }
    case "orbit":
      views.orbit(BigInt(`0x${command.id}`), parseAddress(command.seed!)!, now());
      reactor.hurry();
      break;
    case "stop":
      stop();
  }
}

function stop(): void {
  clearInterval(rescans);
  reactor.stop();
  lines.close();
  void Promise.all([transport.close(), pool.close()]);
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => obey(JSON.parse(line) as Command));
process.once("SIGTERM", stop);
