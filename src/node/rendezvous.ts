/**
 * RENDEZVOUS as we obey it: a root tells where another peer is; we open our NAT towards it and ask it to answer.
 * Facts: vl1-packets.md §5.6.
 */
import { decodeRendezvous } from "../protocol/messages/rendezvous.ts";
import type { Node } from "./node.ts";
import type { Request } from "./request.ts";

const PUNCH_BYTES = 4;
/** Far enough to leave our NAT, not far enough to reach the other one and be refused there. */
const PUNCH_TTL = 2;

export function handleRendezvous(node: Node, request: Request): boolean {
  const decoded = decodeRendezvous(request.payload);
  if (!decoded.ok) {
    node.drop("malformed");
    return false;
  }
  const { peer: address, endpoint } = decoded.value;
  const peer = node.topology.peer(address);
  const fromRoot = node.topology.upstream(request.peer.address) !== undefined;
  if (!fromRoot || peer === undefined || endpoint.port === 0 || !node.topology.mayUse(address, endpoint)) return true;
  const punch = new Uint8Array(PUNCH_BYTES);
  punch.set(node.sender.packetId().subarray(0, PUNCH_BYTES));
  node.ports.outbox.send(request.socket, endpoint, punch, PUNCH_TTL);
  node.sender.approach(peer, request.socket, endpoint, request.now);
  return true;
}
