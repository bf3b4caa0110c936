/**
 * The multicast groups that this member wants to receive in one network: those of its own interface, those of hosts
 * that it bridges, and broadcast where the network allows it. Facts: vl2-ethernet.md §5.1, §8.
 */
import type { Millis } from "../node/ports.ts";
import { BROADCAST_MAC, type Mac, type MulticastGroup } from "../protocol/ethernet.ts";

/** Own groups beyond these are not announced (vl2-networks.md §5.1). */
const MAX_OWN_GROUPS = 1024;
const MAX_BRIDGED_GROUPS = 4096;
/** A group that no bridged host has sent to for so long is no longer wanted. */
const BRIDGED_GROUP_EXPIRE_MS = 1_200_000;
const ADI_RANGE = 0x100000000;

export class Subscriptions {
  #own: readonly MulticastGroup[] = [];
  /** ADIs by MAC, which is how a frame asks. */
  #ownAdis = new Map<Mac, Set<number>>();
  readonly #bridged = new Map<Mac, Millis>();
  /** The network's broadcast flag. */
  broadcast = false;
  /** Groups of bridged hosts that were not taken because there were too many. */
  refused = 0;

  /** Own groups as the interface has them now; returns those that are new, to be announced at once. */
  replaceOwn(groups: readonly MulticastGroup[]): MulticastGroup[] {
    const before = this.#ownAdis;
    const kept = dedupe(groups).slice(0, MAX_OWN_GROUPS);
    this.#own = kept;
    this.#ownAdis = new Map();
    for (const { mac, adi } of kept) {
      const adis = this.#ownAdis.get(mac);
      if (adis === undefined) this.#ownAdis.set(mac, new Set([adi]));
      else adis.add(adi);
    }
    return kept.filter(({ mac, adi }) => before.get(mac)?.has(adi) !== true);
  }

  /** A bridged host sends to this group, so it may want to hear it too. True if that is new. */
  bridgedHostUses(mac: Mac, now: Millis): boolean {
    const known = this.#bridged.has(mac);
    if (!known && this.#bridged.size >= MAX_BRIDGED_GROUPS) {
      this.refused++;
      return false;
    }
    this.#bridged.set(mac, now);
    return !known;
  }

  /** Whether this member wants the group, for itself or for hosts behind it. */
  wants({ mac, adi }: MulticastGroup): boolean {
    if (this.#ownAdis.get(mac)?.has(adi) === true) return true;
    return adi === 0 && (this.#bridged.has(mac) || (mac === BROADCAST_MAC && this.broadcast));
  }

  /** Everything to announce, by MAC and then ADI, without repetition. */
  announced(): MulticastGroup[] {
    const all: MulticastGroup[] = [...this.#own];
    for (const mac of this.#bridged.keys()) all.push({ mac, adi: 0 });
    if (this.broadcast) all.push({ mac: BROADCAST_MAC, adi: 0 });
    return dedupe(all);
  }

  /** Own groups only, sorted: what the service API shows. */
  own(): readonly MulticastGroup[] {
    return this.#own;
  }

  get bridgedCount(): number {
    return this.#bridged.size;
  }

  expire(now: Millis): void {
    for (const [mac, at] of this.#bridged) if (now - at >= BRIDGED_GROUP_EXPIRE_MS) this.#bridged.delete(mac);
  }
}

function dedupe(groups: readonly MulticastGroup[]): MulticastGroup[] {
  const sorted = [...groups].sort((a, b) => a.mac - b.mac || a.adi - b.adi);
  return sorted.filter(({ mac, adi }, i) => i === 0 || mac !== sorted[i - 1]!.mac || adi !== sorted[i - 1]!.adi);
}

/** Key of a group as one exact number would need 80 bits; as text it is unique. */
export function groupKey({ mac, adi }: MulticastGroup): string {
  return `${mac.toString(36)}.${(adi % ADI_RANGE).toString(36)}`;
}
