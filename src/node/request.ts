/** One authenticated packet on its way to its handler, and what a handler is. */
import type { Endpoint } from "../protocol/inet-address.ts";
import type { ErrorReply } from "../protocol/messages/error.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

/** Everything that a handler may look at. `payload` is a view: copy what must outlive the call. */
export interface Request {
  readonly peer: Peer;
  /** Id as it went over the wire. */
  readonly packetId: bigint;
  readonly verb: number;
  /** Decrypted and decompressed, without header. */
  readonly payload: Uint8Array;
  readonly hops: number;
  readonly socket: number;
  /** Physical source: the peer, or the relay that handed it on. */
  readonly from: Endpoint;
  /** Key of (socket, from) in the path table. */
  readonly pathKey: string;
  /** Bytes of the datagram, the most that may be answered to an unproven source. */
  readonly bytes: number;
  readonly now: Millis;
  /** The packet of ours that this one answers; set by the OK handler. */
  answers?: bigint;
}

/**
 * Handles one verb. Never throws, never waits. Returns false if the packet must not count as received from the
 * peer (malformed, rate-limited, unexpected: vl1-packets.md §5, general rules).
 */
export type Handler = (node: Node, request: Request) => boolean;

/** Handles the body of an OK that answers one of our requests; returns as a `Handler` does. */
export type OkHandler = (node: Node, request: Request, body: Uint8Array) => boolean;

/** Told of every ERROR; what it is an answer to is for the handler to believe or not. */
export type ErrorHandler = (node: Node, request: Request, error: ErrorReply) => void;
