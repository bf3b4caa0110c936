/**
 * Who sends what to whom: the pairs of a cell, the sizes, and the order, from a seed. Pure.
 *
 * The first half of the active peers sends to the second half. Up to `FEW_PEERS` every sender has every receiver, so
 * that senders can be trains of packets for receivers chosen one by one; above, each has exactly one.
 */

/** What packets a cell sends. Sizes are bytes of UDP payload, ZeroTier's header included. */
export type Load = "100" | "1400" | "mix";

/** One datagram of a train. */
export interface Segment {
  /** Index of the receiving peer. */
  readonly destination: number;
  readonly bytes: number;
  /** A whole packet, or one of the two parts of a larger one. */
  readonly kind: "packet" | "head" | "fragment";
}

/** Datagrams of equal size from one peer, handed to the kernel in one piece. */
export interface Train {
  /** Index of the sending peer. */
  readonly source: number;
  readonly segments: readonly Segment[];
}

export interface TrafficPlan {
  readonly trains: readonly Train[];
  readonly packets: number;
  /** Of UDP payload. */
  readonly bytes: number;
}

export const FEW_PEERS = 64;
const TRAIN_BYTES_MAX = 48_000;
const TRAIN_PACKETS_MAX = 32;
/** Longest burst of one pair in the mix. */
const BURST_PACKETS_MAX = 8;

/**
 * The mix, by packets: acknowledgements and small requests, middling ones, full ones, and packets of overlay MTU 2800
 * which travel as head and fragment. Bulk transfer, mostly, as relays see it.
 */
const MIX = [
  { share: 0.4, bytes: 100, fragmented: false },
  { share: 0.15, bytes: 420, fragmented: false },
  { share: 0.35, bytes: 1400, fragmented: false },
  { share: 0.1, bytes: 1400, fragmented: true },
] as const;

/** Small and quick numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Packets in a train of equal packets for so many peers: long for one flow, 1 (no train) for many peers. */
export function trainLength(peers: number, bytes: number): number {
  if (peers > FEW_PEERS) return 1;
  const wanted = peers <= 2 ? TRAIN_PACKETS_MAX : TRAIN_PACKETS_MAX / 4;
  return Math.max(1, Math.min(wanted, Math.floor(TRAIN_BYTES_MAX / bytes)));
}

/** A round of traffic among `peers` active peers (indices 0 to peers - 1) of about `packets` packets. */
export function planTraffic(peers: number, load: Load, packets: number, seed: number): TrafficPlan {
  const random = seededRandom(seed);
  const half = Math.floor(peers / 2);
  const receiver = (source: number): number => half + (peers <= FEW_PEERS ? Math.floor(random() * half) : source);
  const trains: Train[] = [];
  let total = 0;
  let bytes = 0;
  const push = (train: Train) => {
    trains.push(train);
    total += train.segments.length;
    for (const segment of train.segments) bytes += segment.bytes;
  };
  while (total < packets) {
    const source = Math.floor(random() * half);
    if (load === "mix") {
      for (const train of burst(source, receiver(source), random, peers <= FEW_PEERS)) push(train);
      continue;
    }
    const size = Number(load);
    push({
      source,
      segments: Array.from({ length: trainLength(peers, size) }, () => ({
        destination: receiver(source),
        bytes: size,
        kind: "packet" as const,
      })),
    });
  }
  return { trains, packets: total, bytes };
}

/** The kind of packet that `choice`, a number in [0, 1), falls on. */
function kindOf(choice: number): (typeof MIX)[number] {
  let below = 0;
  for (const kind of MIX) {
    below += kind.share;
    if (choice < below) return kind;
  }
  return MIX[0];
}

/** Some packets of one pair of the mix, as one train or, if `together` is false, one by one. */
function burst(source: number, destination: number, random: () => number, together: boolean): Train[] {
  const kind = kindOf(random());
  const length = 1 + Math.floor(random() * BURST_PACKETS_MAX);
  const segments = Array.from({ length: kind.fragmented ? 2 * Math.ceil(length / 2) : length }, (_, index): Segment => {
    const part = index % 2 === 0 ? "head" : "fragment";
    return { destination, bytes: kind.bytes, kind: kind.fragmented ? part : "packet" };
  });
  return together ? [{ source, segments }] : segments.map((segment) => ({ source, segments: [segment] }));
}
