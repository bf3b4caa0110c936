/**
 * MULTICAST_LIKE (verb 9): I want to receive these multicast groups. No reply.
 * Facts: vl1-packets.md §5.10, vl2-ethernet.md §5.2.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | network id | of a subscription; 18 bytes each, to the end |
 * | 8 | 6 | MAC | group |
 * | 14 | 4 | ADI | |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, type Verdict } from "../errors.ts";
import { type MulticastGroup, readMulticastGroup, writeMulticastGroup } from "../ethernet.ts";

const SUBSCRIPTION_BYTES = 18;

export interface MulticastSubscription {
  readonly networkId: bigint;
  readonly group: MulticastGroup;
}

export interface MulticastLike {
  readonly subscriptions: readonly MulticastSubscription[];
}

export function encodeMulticastLike(like: MulticastLike): Uint8Array {
  const writer = new Writer(like.subscriptions.length * SUBSCRIPTION_BYTES);
  for (const { networkId, group } of like.subscriptions) {
    writer.u64(networkId);
    writeMulticastGroup(writer, group);
  }
  return writer.finish();
}

/** Refuses a payload that ends inside a subscription. */
export function decodeMulticastLike(payload: Uint8Array): Verdict<MulticastLike> {
  const reader = new Reader(payload);
  const subscriptions: MulticastSubscription[] = [];
  while (reader.remaining > 0) {
    const networkId = reader.u64();
    const group = readMulticastGroup(reader);
    if (!reader.failed) subscriptions.push({ networkId, group });
  }
  return reader.failed ? reader.refusal() : accept({ subscriptions });
}
