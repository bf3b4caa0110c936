/** Reads a record or answers 404. */

import type { ControllerReader } from "../../controller/ports.ts";
import type { MemberRecord, NetworkRecord } from "../../controller/records.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { notFound } from "./errors.ts";

/** For changes, which may not make a network. */
export function mustExist(id: bigint, record: NetworkRecord | null): NetworkRecord {
  if (record === null) throw notFound(`network ${formatNetworkId(id)}`);
  return record;
}

export async function existingNetwork(reader: ControllerReader, id: bigint): Promise<NetworkRecord> {
  return mustExist(id, await reader.network(id));
}

export function mustBeMember(networkId: bigint, address: Address, record: MemberRecord | null): MemberRecord {
  if (record === null) throw notFound(`member ${formatAddress(address)} of network ${formatNetworkId(networkId)}`);
  return record;
}
