/**
 * OK: answers to what we asked. Believed only if the packet it answers was ours; OK is the only verb that can
 * prove a path. Facts: vl1-packets.md §5.2, §5.4, §5.5; vl1-behaviour.md §6.2.
 */
import { readIdentity } from "../identity/identity.ts";
import { Reader } from "../protocol/bytes.ts";
import { MIN_PROTOCOL_VERSION, PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { decodeOkHello, type OkHello } from "../protocol/messages/hello.ts";
import { decodeConfigAcknowledgement } from "../protocol/messages/network-config.ts";
import { decodeOk } from "../protocol/messages/ok.ts";
import { decodeOkWhois } from "../protocol/messages/whois.ts";
import { Verb } from "../protocol/verbs.ts";
import { decodeWorld, type World } from "../world/world.ts";
import type { Node } from "./node.ts";
import type { Request } from "./request.ts";

export function handleOk(node: Node, request: Request): boolean {
  const ok = decodeOk(request.payload);
  if (!ok.ok) return malformed(node);
  if (!node.sender.expected.has(ok.value.inRePacketId)) {
    node.drop("unexpected_reply");
    return false;
  }
  request.answers = ok.value.inRePacketId;
  switch (ok.value.inReVerb) {
    case Verb.HELLO:
      return okHello(node, request, ok.value.body);
    case Verb.WHOIS:
      return okWhois(node, request, ok.value.body);
    case Verb.ECHO:
      return okEcho(node, request, ok.value.body);
    default:
      return node.okHandlers[ok.value.inReVerb]?.(node, request, ok.value.body) ?? true;
  }
}

function malformed(node: Node): false {
  node.drop("malformed");
  return false;
}

function okHello(node: Node, request: Request, body: Uint8Array): boolean {
  const decoded = decodeOkHello(body);
  if (!decoded.ok) return malformed(node);
  const ok = decoded.value;
  if (ok.protocolVersion < MIN_PROTOCOL_VERSION) return false;
  const { peer, now } = request;
  const worlds = mayTeachWorlds(node, request) ? decodeWorlds(ok.worlds) : [];
  if (worlds === null) return malformed(node);
  for (const world of worlds) if (node.worlds.offer(world) === "adopted") node.worldAdopted(world, now);
  peer.protocolVersion = ok.protocolVersion;
  peer.version = [ok.versionMajor, ok.versionMinor, ok.versionRevision];
  if (request.hops === 0) measure(node, request, ok);
  return true;
}

/** Our own ECHOs are empty: one with a body acknowledges a configuration, by a quirk (vl2-networks.md §4.2). */
function okEcho(node: Node, request: Request, body: Uint8Array): boolean {
  if (body.length === 0) return true;
  const decoded = decodeConfigAcknowledgement(body);
  if (!decoded.ok) return malformed(node);
  node.configAcknowledged(request.peer.address, decoded.value);
  return true;
}

/** Only upstreams, and the seeds of moons that we want, may teach us worlds. */
function mayTeachWorlds(node: Node, { peer }: Request): boolean {
  return node.topology.upstream(peer.address) !== undefined || node.worlds.isSeed(peer.address);
}

/** Concatenated worlds, or null if one of them is malformed. */
function decodeWorlds(bytes: Uint8Array): World[] | null {
  const worlds: World[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const decoded = decodeWorld(bytes, offset);
    if (!decoded.ok) return null;
    worlds.push(decoded.value.world);
    offset += decoded.value.length;
  }
  return worlds;
}

/** Round trip time and our own address as the peer saw it. */
function measure(node: Node, request: Request, ok: OkHello): void {
  const { peer, now } = request;
  const roundTrip = now - Number(ok.timestamp);
  const path = peer.findPath(request.pathKey)?.path;
  if (path !== undefined && roundTrip >= 0 && roundTrip < PATH_EXPIRATION_MS) path.sampleLatency(roundTrip);
  if (ok.surface !== null) node.selfAwareness.report(peer, request.socket, request.from, ok.surface, now);
}

function okWhois(node: Node, request: Request, body: Uint8Array): boolean {
  const decoded = decodeOkWhois(body);
  if (!decoded.ok) return malformed(node);
  if (node.topology.upstream(request.peer.address) === undefined) return true;
  for (const bytes of decoded.value) {
    const identity = readIdentity(new Reader(bytes));
    if (identity === undefined) return malformed(node);
    node.whois.answered(identity.publicOnly(), request.now);
  }
  return true;
}
