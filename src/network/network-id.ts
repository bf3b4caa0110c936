/**
 * Network ids: 64 bits, 16 lower-case hex digits in text. The upper 40 bits are the controller's address, the lower
 * 24 a number that the controller chose. Ids that begin with 0xff have no controller: they are "ad hoc".
 * Facts: vl2-networks.md §1.1 and §1.4, controller.md §1.
 */
import { ADDRESS_BYTES, type Address } from "../protocol/address.ts";

/** 0 … 2^64−1. */
export type NetworkId = bigint;

const NUMBER_BITS = 24n;
const NUMBER_MASK = 0xffffff;
const AD_HOC_SHIFT = NUMBER_BITS + BigInt(8 * ADDRESS_BYTES) - 8n;
const AD_HOC_PREFIX = 0xffn;

/** Parses exactly 16 hex digits (either case); null for anything else. */
export function parseNetworkId(text: string): NetworkId | null {
  return /^[0-9a-fA-F]{16}$/.test(text) ? BigInt(`0x${text}`) : null;
}

/** 16 lower-case hex digits. */
export function formatNetworkId(id: NetworkId): string {
  return id.toString(16).padStart(16, "0");
}

/** The only node that may configure the network and sign its credentials. */
export function controllerOf(id: NetworkId): Address {
  return Number(id >> NUMBER_BITS);
}

/** The lower 24 bits. */
export function networkNumber(id: NetworkId): number {
  return Number(BigInt.asUintN(Number(NUMBER_BITS), id));
}

/**
 * An id for a new network of `controller`, from 32 random bits, of which 24 are used; number 0 becomes 1. The caller
 * draws again while the id is taken.
 */
export function networkIdFromRandom(controller: Address, random: number): NetworkId {
  return (BigInt(controller) << NUMBER_BITS) | BigInt(random & NUMBER_MASK || 1);
}

/** True for a network without controller: its members make up their own configuration (`ad-hoc.ts`). */
export function isAdHoc(id: NetworkId): boolean {
  return id >> AD_HOC_SHIFT === AD_HOC_PREFIX;
}

/** An ad-hoc network whose id names a range of ports: `ff SSSS EEEE 000000`. */
export function isAdHocPortRange(id: NetworkId): boolean {
  return isAdHoc(id) && networkNumber(id) === 0;
}

/** An ad-hoc network whose id names an IPv4 /8 and a hub: `ff AA hhhhhhhhhh 01`. */
export function isAdHocHub(id: NetworkId): boolean {
  return isAdHoc(id) && (networkNumber(id) & 0xff) === 1;
}
