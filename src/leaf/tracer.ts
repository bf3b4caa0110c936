/**
 * Traces: tells whom the network's configuration names what we drop and refuse, and why, so that a network can be
 * understood from its controller. Few: a budget for all networks together. Facts: vl2-networks.md §8, vl1-packets.md §5.20.
 */
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { DictionaryWriter } from "../protocol/dictionary.ts";
import { encodeRemoteTrace } from "../protocol/messages/remote-trace.ts";
import { Verb } from "../protocol/verbs.ts";
import type { LocalFrame } from "./local-frame.ts";
import type { Network } from "./network.ts";
import type { IncomingDrop, LeafStatistics, OutgoingDrop } from "./statistics.ts";

const OUTGOING_DROPPED = "2000";
const ACCESS_DENIED = "2001";
const INCOMING_DROPPED = "2002";
const CREDENTIAL_REJECTED = "2003";
/** From these levels on frames are told, too, and what is in them; rejected credentials always are. */
const LEVEL_FRAMES = 10;
const LEVEL_FRAME_DATA = 15;
const MAX_FRAME_DATA_BYTES = 256;
const PER_SECOND = 2;
const BURST = 20;

/** A credential that we do not accept. */
export interface RejectedCredential {
  /** 1 membership, 2 capability, 3 tag, 4 ownership, 6 revocation (vl2-credentials.md). */
  readonly type: number;
  readonly issuedTo: Address;
}

export class Tracer {
  readonly #node: Node;
  readonly #statistics: LeafStatistics;
  #left = BURST;
  #at: Millis = 0;

  constructor(node: Node, statistics: LeafStatistics) {
    this.#node = node;
    this.#statistics = statistics;
  }

  /** `from` showed a credential that is not valid, or older than one we have. */
  credentialRejected(network: Network, credential: RejectedCredential, from: Address, now: Millis): void {
    if (!this.#wanted(network, 0)) return;
    const trace = begin(CREDENTIAL_REJECTED, network)
      .u64("credType", BigInt(credential.type))
      .u64("credIssuedTo", BigInt(credential.issuedTo))
      .u64("sourceZtAddr", BigInt(from));
    this.#send(network, trace, now);
  }

  /** `from` sent something, and has shown no certificate that agrees with ours. */
  accessDenied(network: Network, from: Address, now: Millis): void {
    if (!this.#wanted(network, LEVEL_FRAMES)) return;
    this.#send(network, begin(ACCESS_DENIED, network).u64("sourceZtAddr", BigInt(from)), now);
  }

  /** A frame from `from` was not delivered. */
  frameInDropped(network: Network, reason: IncomingDrop, frame: LocalFrame, from: Address, now: Millis): void {
    if (!this.#wanted(network, LEVEL_FRAMES)) return;
    const trace = begin(INCOMING_DROPPED, network).u64("sourceZtAddr", BigInt(from)).text("reason", reason);
    this.#send(network, describe(trace, network, frame), now);
  }

  /** A frame of our interface was not sent to `to`, or to nobody in particular (0). */
  frameOutDropped(network: Network, reason: OutgoingDrop, frame: LocalFrame, to: Address, now: Millis): void {
    if (!this.#wanted(network, LEVEL_FRAMES)) return;
    const trace = begin(OUTGOING_DROPPED, network).u64("destZtAddr", BigInt(to)).text("reason", reason);
    this.#send(network, describe(trace, network, frame), now);
  }

  #wanted({ config }: Network, level: number): boolean {
    return config !== null && config.remoteTraceTarget !== 0 && config.remoteTraceLevel >= level;
  }

  #send({ config }: Network, trace: DictionaryWriter, now: Millis): void {
    const { traces } = this.#statistics;
    this.#left = Math.min(BURST, this.#left + (Math.max(0, now - this.#at) * PER_SECOND) / 1000);
    this.#at = now;
    if (this.#left < 1) {
      traces.rate_limited++;
      return;
    }
    this.#left -= 1;
    traces.sent++;
    const payload = encodeRemoteTrace({ traces: [trace.finish()] });
    this.#node.send(config!.remoteTraceTarget, Verb.REMOTE_TRACE, payload, now, true);
  }
}

function begin(event: string, network: Network): DictionaryWriter {
  return new DictionaryWriter().text("event", event).u64("networkId", network.id);
}

function describe(trace: DictionaryWriter, { config }: Network, frame: LocalFrame): DictionaryWriter {
  const { source, destination, etherType, data } = frame;
  trace
    .u64("sourceMac", BigInt(source))
    .u64("destMac", BigInt(destination))
    .u64("etherType", BigInt(etherType))
    .u64("frameLength", BigInt(data.length));
  if (config!.remoteTraceLevel < LEVEL_FRAME_DATA) return trace;
  return trace.bytes("frameData", data.subarray(0, MAX_FRAME_DATA_BYTES));
}
