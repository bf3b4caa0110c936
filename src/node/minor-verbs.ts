/**
 * Verbs that need no more than a line while no role takes them over.
 * Facts: vl1-packets.md §5 (general rules), §5.11, §5.12; vl1-behaviour.md §1, §4.5.
 */
import { Writer } from "../protocol/bytes.ts";
import { decodeNetworkConfigRequest } from "../protocol/messages/network-config-request.ts";
import { ErrorCode } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import { CREDENTIALS_GATE_MS } from "./rate-gate.ts";
import { replyError } from "./reply.ts";
import type { Request } from "./request.ts";

/** Authenticated, counted as received, otherwise ignored: NOP, unassigned verbs, frames of networks not joined. */
export function ignoreCounted(): boolean {
  return true;
}

/** Verbs that only bonded peers exchange: not even counted as received. */
export function ignoreUncounted(): boolean {
  return false;
}

/** Credentials of networks that we are no member of: one a second is let pass as a sign of life. */
export function handleCredentials(node: Node, { peer, now }: Request): boolean {
  if (now - peer.lastCredentials < CREDENTIALS_GATE_MS) {
    node.statistics.rateLimited.network_credentials++;
    return false;
  }
  peer.lastCredentials = now;
  return true;
}

/** A node without controller says so. */
export function handleConfigRequest(node: Node, request: Request): boolean {
  const decoded = decodeNetworkConfigRequest(request.payload);
  if (!decoded.ok) {
    node.drop("malformed");
    return false;
  }
  const body = new Writer(8).u64(decoded.value.networkId).finish();
  replyError(node, request, ErrorCode.UNSUPPORTED_OPERATION, body);
  return true;
}
