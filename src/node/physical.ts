/**
 * What the operator said about physical addresses: prefixes never to use, trusted paths, path MTUs, and per peer
 * where to try and what to avoid (`physical` and `virtual` of local.conf).
 * Facts: vl1-behaviour.md §7.2, vl1-identity-crypto.md §8.
 */
import type { Address } from "../protocol/address.ts";
import { DEFAULT_PHYSICAL_MTU_BYTES, MAX_PHYSICAL_MTU_BYTES, MIN_PHYSICAL_MTU_BYTES } from "../protocol/constants.ts";
import { type Endpoint, type IpPrefix, prefixContains } from "../protocol/inet-address.ts";

/** One `physical` entry, in matching order: the first prefix that contains an address counts. */
export interface PhysicalRule {
  readonly prefix: IpPrefix;
  readonly blacklist: boolean;
  /** 0 = not trusted. */
  readonly trustedPathId: bigint;
  /** Bytes of UDP payload; ≤ 0 = default. */
  readonly mtu: number;
}

/** One `virtual` entry. */
export interface VirtualRule {
  readonly try: readonly Endpoint[];
  readonly blacklist: readonly IpPrefix[];
}

/** Both tables; replaced as a whole when the configuration is read again. */
export class PhysicalRules {
  readonly #physical: readonly PhysicalRule[];
  readonly #virtual: ReadonlyMap<Address, VirtualRule>;

  constructor(physical: readonly PhysicalRule[] = [], virtual: ReadonlyMap<Address, VirtualRule> = new Map()) {
    this.#physical = physical;
    this.#virtual = virtual;
  }

  /** The rules by prefix, in matching order. */
  get rules(): readonly PhysicalRule[] {
    return this.#physical;
  }

  #match(endpoint: Endpoint): PhysicalRule | undefined {
    for (const rule of this.#physical) if (prefixContains(rule.prefix, endpoint.ip)) return rule;
    return undefined;
  }

  isBlacklisted(endpoint: Endpoint): boolean {
    return this.#physical.length > 0 && (this.#match(endpoint)?.blacklist ?? false);
  }

  isBlacklistedFor(peer: Address, endpoint: Endpoint): boolean {
    const rule = this.#virtual.get(peer);
    return rule?.blacklist.some((prefix) => prefixContains(prefix, endpoint.ip)) ?? false;
  }

  /** Where the operator said to try for a peer. */
  memorized(peer: Address): readonly Endpoint[] {
    return this.#virtual.get(peer)?.try ?? [];
  }

  /** The trusted path id towards an address; 0 = armour everything. */
  trustedPathId(endpoint: Endpoint): bigint {
    return this.#physical.length === 0 ? 0n : (this.#match(endpoint)?.trustedPathId ?? 0n);
  }

  /** A suite 2 packet is authentic iff some prefix holds its source and has its id; id 0 is never trusted. */
  trusts(endpoint: Endpoint, id: bigint): boolean {
    return (
      id !== 0n && this.#physical.some((rule) => rule.trustedPathId === id && prefixContains(rule.prefix, endpoint.ip))
    );
  }

  /** Largest datagram towards an address, bytes of UDP payload. */
  mtu(endpoint: Endpoint): number {
    const mtu = this.#physical.length === 0 ? 0 : (this.#match(endpoint)?.mtu ?? 0);
    if (mtu <= 0) return DEFAULT_PHYSICAL_MTU_BYTES;
    return Math.min(Math.max(mtu, MIN_PHYSICAL_MTU_BYTES), MAX_PHYSICAL_MTU_BYTES);
  }
}
