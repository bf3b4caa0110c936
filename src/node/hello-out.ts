/**
 * HELLO as we send it: who we are, which worlds we have, and where we think the other one is.
 * Facts: vl1-packets.md §5.2, vl1-identity-crypto.md §7, vl1-behaviour.md §3.5 (from all sockets).
 */
import { encodeIdentity } from "../identity/identity.ts";
import { armor, cipherHelloField } from "../protocol/armor.ts";
import {
  PACKET_HEADER_BYTES,
  PROTOCOL_VERSION,
  VERSION_MAJOR,
  VERSION_MINOR,
  VERSION_REVISION,
} from "../protocol/constants.ts";
import { type Endpoint, endpointKey, inetAddressBytes } from "../protocol/inet-address.ts";
import { encodeHello } from "../protocol/messages/hello.ts";
import { packetIdOf } from "../protocol/packet.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Path } from "./path.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

/** Fixed part of a HELLO: header, versions, timestamp, identity, planet, moon count. */
const HELLO_FIXED_BYTES = PACKET_HEADER_BYTES + 13 + 71 + 16 + 2;
const MOON_BYTES = 17;

/** Length of a HELLO to an address, in bytes. */
export function helloBytes(node: Node, to: Endpoint): number {
  const moons = node.worlds.moons().length + node.worlds.wanted().length;
  return HELLO_FIXED_BYTES + inetAddressBytes(to) + moons * MOON_BYTES;
}

/** A complete HELLO to `peer`; `to` is the address it is sent to, null when it is relayed. */
export function composeHello(node: Node, peer: Peer, to: Endpoint | null, now: Millis): Uint8Array {
  const { worlds } = node;
  const { payload, encryptedFrom } = encodeHello({
    protocolVersion: PROTOCOL_VERSION,
    versionMajor: VERSION_MAJOR,
    versionMinor: VERSION_MINOR,
    versionRevision: VERSION_REVISION,
    timestamp: BigInt(now),
    identity: encodeIdentity(node.identity),
    sentTo: to,
    planetId: worlds.planet.id,
    planetTimestamp: worlds.planet.timestamp,
    moons: [
      ...worlds.moons().map(({ id, timestamp }) => ({ id, timestamp })),
      ...worlds.wanted().map(({ id }) => ({ id, timestamp: 0n })),
    ],
  });
  const packet = node.sender.compose(peer.address, Verb.HELLO, payload);
  const key = node.sender.keyOf(peer);
  cipherHelloField(packet, PACKET_HEADER_BYTES + encryptedFrom, key);
  armor(packet, key, 0);
  node.sender.expected.add(packetIdOf(packet));
  return packet;
}

/** Greets an address, from one socket or (null) from every socket of its family. */
export function sendHello(node: Node, peer: Peer, socket: number | null, to: Endpoint, now: Millis): void {
  const packet = composeHello(node, peer, to, now);
  peer.probed(packetIdOf(packet), endpointKey(to), now);
  if (socket === null) node.sender.fromAll(to, packet);
  else node.ports.outbox.send(socket, to, packet);
}

/** Greets a peer through somebody else's path (a root's), as when no address of it is known. */
export function sendHelloThrough(node: Node, peer: Peer, relay: Path, now: Millis): void {
  node.sender.onPath(relay, composeHello(node, peer, null, now), now);
}
