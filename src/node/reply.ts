/**
 * Answers: they go to the physical source of the request, whatever its hop count. A proven path gets them at once;
 * an unproven place gets no more bytes than came from it, and the rest once it has proven itself.
 * Facts: vl1-packets.md §5 (general rules).
 */

import { PACKET_HEADER_BYTES } from "../protocol/constants.ts";
import { type Endpoint, IpScope, ipScope } from "../protocol/inet-address.ts";
import { encodeError } from "../protocol/messages/error.ts";
import { encodeOk } from "../protocol/messages/ok.ts";
import { type ErrorCode, Verb } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";
import { PATH_CONFIRMATION_MS } from "./rate-gate.ts";
import type { Request } from "./request.ts";
import { defer, unprovenPath } from "./unproven.ts";

/** OK to a request, maybe one that had to wait; `body` is what follows the in-re fields. */
export function replyOk(node: Node, request: Request, body: Uint8Array): void {
  // Between two inputs a silent peer may be put away: its object is asked for again.
  const peer = node.topology.peer(request.peer.address) ?? request.peer;
  const packet = node.sender.seal(peer, Verb.OK, encodeOk(request.verb, request.packetId, body));
  answer(node, peer, request.pathKey, request.socket, request.from, packet, request.now);
}

/** ERROR to a request. */
export function replyError(node: Node, request: Request, code: ErrorCode, body: Uint8Array): void {
  node.statistics.errorsOut[code]!++;
  const { verb: inReVerb, packetId: inRePacketId } = request;
  const packet = node.sender.seal(request.peer, Verb.ERROR, encodeError({ inReVerb, inRePacketId, code, body }));
  answer(node, request.peer, request.pathKey, request.socket, request.from, packet, request.now);
}

/** Sends finished bytes to where a request came from, or keeps them until that place is proven. */
export function answer(
  node: Node,
  peer: Peer,
  key: string,
  socket: number,
  from: Endpoint,
  packet: Uint8Array,
  now: Millis,
): void {
  const path = node.paths.find(key);
  if (path !== undefined) {
    node.sender.onPath(path, packet, now);
    return;
  }
  const place = unprovenPath(peer, key, socket, from, now);
  // Loopback cannot be forged from outside and never becomes a path: local tools are simply answered.
  const local = ipScope(from.ip) === IpScope.LOOPBACK;
  // The question that will prove the place comes first: what it costs is kept back while it is due.
  const reserve = now - place.lastProbe < PATH_CONFIRMATION_MS ? 0 : PACKET_HEADER_BYTES;
  if (!local && place.credit < packet.length + reserve) {
    defer(place, packet, now);
    return;
  }
  place.credit -= packet.length;
  node.ports.outbox.send(socket, from, packet);
}
