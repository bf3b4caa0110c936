/** Records for the tests of the controller's store. */
import type { MemberQuery, NetworkQuery } from "../../src/controller/ports.ts";
import {
  type MemberOwn,
  type MemberRecord,
  type NetworkRecord,
  NO_MEMBER_OWN,
  NO_NETWORK_OWN,
  type Presence,
} from "../../src/controller/records.ts";
import type { JsonObject } from "../../src/json/json.ts";
import { formatAddress } from "../../src/protocol/address.ts";

export const NETWORK = 0x9c650471be000001n;
export const OTHER_NETWORK = 0x9c650471be000002n;

export function network(id: bigint, json: JsonObject = {}, description = ""): NetworkRecord {
  const text = id.toString(16).padStart(16, "0");
  return { id, json: { id: text, nwid: text, name: "", ...json }, own: { ...NO_NETWORK_OWN, description } };
}

export function member(
  networkId: bigint,
  address: number,
  json: JsonObject = {},
  own: Partial<MemberOwn> = {},
): MemberRecord {
  return {
    networkId,
    address,
    json: { id: formatAddress(address), revision: 1, ...json },
    own: { ...NO_MEMBER_OWN, ...own },
  };
}

export function presence(networkId: bigint, address: number, lastSeen: number, physicalAddress = ""): Presence {
  return { networkId, address, lastSeen, metadata: new TextEncoder().encode(`v=7 at ${lastSeen}`), physicalAddress };
}

export const ALL_NETWORKS: NetworkQuery = { limit: 100, cursor: null, search: "", order: "id", descending: false };

export const ALL_MEMBERS: MemberQuery = {
  limit: 100,
  cursor: null,
  networkId: NETWORK,
  search: "",
  authorized: null,
  bridge: null,
  stranger: null,
  seenSince: null,
  notSeenSince: null,
  order: "address",
  descending: false,
};
