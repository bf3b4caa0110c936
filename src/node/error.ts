/** ERROR: what others refuse us. Facts: vl1-packets.md §5.3. */
import { decodeError } from "../protocol/messages/error.ts";
import { ErrorCode } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Request } from "./request.ts";

export function handleError(node: Node, request: Request): boolean {
  const decoded = decodeError(request.payload);
  if (!decoded.ok) {
    node.drop("malformed");
    return false;
  }
  const { code } = decoded.value;
  if (code < node.statistics.errorsIn.length) node.statistics.errorsIn[code]!++;
  // Only a root may say so: anybody else could silence us with it. What to do then is the operator's business.
  if (code === ErrorCode.IDENTITY_COLLISION && node.topology.upstream(request.peer.address) !== undefined) {
    node.ports.events({ type: "own-identity-collision" });
  }
  for (const told of node.errorHandlers) told(node, request, decoded.value);
  return true;
}
