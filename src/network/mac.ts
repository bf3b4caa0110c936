/**
 * The MACs of a network's members, which follow from network id and address. Facts: vl2-networks.md §1.2.
 *
 * With n0 … n7 the bytes of the network id from the lowest up:
 *
 * | byte of the MAC | value |
 * |---|---|
 * | 0 | n0 with the multicast bit clear and the local bit set; 0x32 instead of 0x52 |
 * | 1 … 5 | bytes of the address, XOR n1 … n5 |
 */
import type { Address } from "../protocol/address.ts";
import type { Mac } from "../protocol/ethernet.ts";
import type { NetworkId } from "./network-id.ts";

const TWO_POW_32 = 0x100000000;
const FIRST_OCTET = 0x10000000000;
const MULTICAST_BIT = 0x01;
const LOCAL_BIT = 0x02;
/** A first octet that other virtual networks use, and what stands for it. */
const TAKEN_OCTET = 0x52;
const FREE_OCTET = 0x32;

/** Translates between the addresses and the MACs of one network. Made once per network, since frames need it. */
export class MemberMacs {
  /** First octet of every member's MAC; a unicast MAC with another one belongs to a bridged host. */
  readonly firstOctet: number;
  /** n1, which masks the upper 8 bits of the address, and n2 … n5, which mask the lower 32. */
  readonly #maskHigh: number;
  readonly #maskLow: number;

  constructor(networkId: NetworkId) {
    const byte = (k: number) => Number((networkId >> BigInt(8 * k)) & 0xffn);
    const first = (byte(0) & ~MULTICAST_BIT) | LOCAL_BIT;
    this.firstOctet = first === TAKEN_OCTET ? FREE_OCTET : first;
    this.#maskHigh = byte(1);
    this.#maskLow = (byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5);
  }

  /** The MAC of the member at `address`. */
  macOf(address: Address): Mac {
    return this.firstOctet * FIRST_OCTET + this.#mask(address);
  }

  /** The address whose MAC this is. Any MAC gives some address: ask `isMember` first. */
  addressOf(mac: Mac): Address {
    return this.#mask(mac % FIRST_OCTET);
  }

  /** True if `mac` begins as members' MACs do. */
  isMember(mac: Mac): boolean {
    return Math.floor(mac / FIRST_OCTET) === this.firstOctet;
  }

  /** 40 bits in, 40 bits out; its own inverse. */
  #mask(bits: number): number {
    return (Math.floor(bits / TWO_POW_32) ^ this.#maskHigh) * TWO_POW_32 + (((bits | 0) ^ this.#maskLow) >>> 0);
  }
}
