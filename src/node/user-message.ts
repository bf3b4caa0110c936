/** USER_MESSAGE: bytes for the application. Facts: vl1-packets.md §5.19. */
import { decodeUserMessage } from "../protocol/messages/user-message.ts";
import type { Node } from "./node.ts";
import type { Request } from "./request.ts";

export function handleUserMessage(node: Node, request: Request): boolean {
  const decoded = decodeUserMessage(request.payload);
  if (!decoded.ok) {
    node.drop("malformed");
    return false;
  }
  const { kind, data } = decoded.value;
  node.ports.events({ type: "user-message", from: request.peer.address, kind, data: new Uint8Array(data) });
  return true;
}
