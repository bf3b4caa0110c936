/** ECHO: returns its payload, at most once per path and 166 ms. Facts: vl1-packets.md §5.9, vl1-behaviour.md §1. */
import type { Node } from "./node.ts";
import { ECHO_GATE_MS } from "./rate-gate.ts";
import { replyOk } from "./reply.ts";
import type { Request } from "./request.ts";

export function handleEcho(node: Node, request: Request): boolean {
  const path = node.paths.find(request.pathKey);
  if (path !== undefined) {
    if (request.now - path.lastEchoAnswered < ECHO_GATE_MS) {
      node.statistics.rateLimited.echo++;
      return false;
    }
    path.lastEchoAnswered = request.now;
  }
  replyOk(node, request, request.payload);
  return true;
}
