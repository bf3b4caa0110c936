/**
 * The datagrams that were injected into a reference root, injected into ours: what comes out must be the same, up to
 * the differences that are listed here with their reasons.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { dearmor, PeerKey } from "../../src/protocol/armor.ts";
import { fromHex, toHex } from "../../src/protocol/bytes.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { destinationOf, payloadOf, sourceOf, verbOf } from "../../src/protocol/packet.ts";
import { VERB_NAMES } from "../../src/protocol/verbs.ts";
import { decodeWorld } from "../../src/world/world.ts";
import { IDENTITIES } from "../support/constellation.ts";
import { VirtualNetwork } from "../support/virtual-network.ts";

interface Line {
  readonly t: number;
  readonly phase: string;
  readonly event?: string;
  readonly injected_datagram?: string;
  readonly to_addr?: string;
  readonly datagram?: string;
  readonly verb?: string;
  readonly payload?: string;
}

const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/vectors/${name}.json`, import.meta.url), "utf8"));
const { probes, impostor } = fixture("transcripts") as {
  probes: Line[];
  impostor: { pub: string; priv: string };
};
const planetHex = (fixture("worlds") as { made_worlds: { name: string; binary: string }[] }).made_worlds.find(
  ({ name }) => name === "planet-2",
)!.binary;
const planet = decodeWorld(fromHex(planetHex)!);
const ROOT = IDENTITIES.find(({ address }) => address === 0xdfa2df89d5)!;
const A = IDENTITIES.find(({ address }) => address === 0x0abfda6035)!;
const B = IDENTITIES.find(({ address }) => address === 0x6b2821a68a)!;
const IMPOSTOR = parseIdentity(`0abfda6035:0:${impostor.pub}:${impostor.priv}`)!;

/** What we do differently, by phase and injection source; "-" removes an expected line, "+" adds one. */
const DIFFERENCES: Readonly<Record<string, readonly string[]>> = {
  // An unproven place is asked to prove itself by ECHO (28 bytes) where the reference sends a HELLO (137), and an
  // answer longer than what came from there waits for the proof: a replay with a forged source gains nothing.
  "A_echo_suite1 198.51.100.99/1234": [
    "- 198.51.100.99/1234 OK 08f8a4cd70e210793173616c7361",
    "- 198.51.100.99/1234 HELLO",
    "+ 198.51.100.99/1234 ECHO ",
  ],
  // Our identity gate has a burst, so that two new clients behind one /24 do not have to wait for each other.
  "E_hello 198.51.100.78/9993 45100": [
    "+ 198.51.100.78/9993 OK 010fc6841f128ec7e10000018bcfe6eea00c010e000104c633644e27090000",
    "+ 198.51.100.78/9993 ECHO ",
  ],
  "E_hello 198.51.100.78/9993 47100": ["- 198.51.100.78/9993 HELLO", "+ 198.51.100.78/9993 ECHO "],
  "E_hello 198.51.100.79/80": ["- 198.51.100.79/80 HELLO", "+ 198.51.100.79/80 ECHO "],
};

function key(identity: Identity): PeerKey {
  return new PeerKey(identity.agree(ROOT));
}

test("a root answers each probe as the reference did, but for the differences listed", () => {
  assert.ok(planet.ok);
  const network = new VirtualNetwork({ latencyMs: 0 });
  const start = network.now;
  const paths = (at: string) => [{ endpoint: parseEndpoint(at)!, local: null, lastReceive: start }];
  const cached = { protocolVersion: 12, version: [1, 14, 1] as const, lastReceive: start };
  const root = network.add({
    identity: ROOT,
    planet: planet.value.world,
    addresses: ["203.0.113.10/9993"],
    validationMs: 0,
    peers: [
      { identity: A.publicOnly(), ...cached, paths: paths("198.51.100.2/9993") },
      { identity: B.publicOnly(), ...cached, paths: paths("198.51.100.3/9993") },
    ],
  });
  network.advance(10);
  const e = IDENTITIES.find(({ address }) => address === 0x943be45823)!;
  const keys = new Map([A, B, e].map((identity) => [identity.address, key(identity)]));
  const plain = (to: string, bytes: Uint8Array): string => {
    if (sourceOf(bytes) !== ROOT.address) return `${to} relayed ${toHex(bytes)}`;
    const packet = new Uint8Array(bytes);
    const opened = dearmor(packet, keys.get(destinationOf(packet))!);
    if (!opened) assert.ok(dearmor(packet, key(IMPOSTOR)), "neither the peer nor the impostor can read it");
    const verb = VERB_NAMES[verbOf(packet)]!.toUpperCase();
    return verb === "HELLO" ? `${to} HELLO` : `${to} ${verb} ${toHex(payloadOf(packet))}`;
  };

  for (const [index, line] of probes.entries()) {
    if (line.injected_datagram === undefined) continue;
    const from = line.event!.split(" from ")[1]!;
    const expected: string[] = [];
    for (const out of probes.slice(index + 1)) {
      if (out.injected_datagram !== undefined) break;
      const relayed = sourceOf(fromHex(out.datagram!)!) !== ROOT.address;
      if (relayed) expected.push(`${out.to_addr} relayed ${out.datagram}`);
      else if (out.verb === "HELLO") expected.push(`${out.to_addr} HELLO`);
      else expected.push(`${out.to_addr} ${out.verb} ${out.payload}`);
    }
    const name = `${line.phase} ${from}`;
    for (const difference of DIFFERENCES[`${name} ${line.t}`] ?? DIFFERENCES[name] ?? []) {
      const text = difference.slice(2);
      if (difference.startsWith("+")) expected.push(text);
      else expected.splice(expected.indexOf(text), 1);
    }
    network.advance(Math.max(0, start + 1000 + line.t - network.now));
    const before = network.captured.length;
    network.put(parseEndpoint(from)!, parseEndpoint("203.0.113.10/9993")!, fromHex(line.injected_datagram)!);
    network.advance(2);
    const got = network.captured.slice(before + 1).map(({ to, bytes }) => plain(to, bytes));
    assert.deepEqual(got.sort(), expected.sort(), `${name} at ${line.t}`);
  }
  assert.equal(root.count("identity-collision"), 1);
  assert.equal(root.node.statistics.hello.refused_identity, 1);
  assert.equal(root.node.statistics.hello.old_protocol, 1);
});
