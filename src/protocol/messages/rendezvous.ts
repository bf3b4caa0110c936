/**
 * RENDEZVOUS (verb 5), upstream to peer: try to reach that peer at this address.
 * Facts: vl1-packets.md §5.6. Not the InetAddress encoding: the port comes first.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | flags | 0; ignored |
 * | 1 | 5 | peer | ZeroTier address of the other one |
 * | 6 | 2 | port | UDP; 0 means nothing |
 * | 8 | 1 | length | 4 or 16 |
 * | 9 | 4/16 | IP | |
 */
import type { Address } from "../address.ts";
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";
import { type Endpoint, makeEndpoint } from "../inet-address.ts";

const PORT_OFFSET = 6;
const LENGTH_OFFSET = 8;

export interface Rendezvous {
  readonly flags: number;
  readonly peer: Address;
  readonly endpoint: Endpoint;
}

export function encodeRendezvous(rendezvous: Rendezvous): Uint8Array {
  const { flags, peer, endpoint } = rendezvous;
  return new Writer(25).u8(flags).address(peer).u16(endpoint.port).u8(endpoint.ip.length).bytes(endpoint.ip).finish();
}

/** Refuses port 0 and other lengths of address: such a RENDEZVOUS is to be ignored. */
export function decodeRendezvous(payload: Uint8Array): Verdict<Rendezvous> {
  const reader = new Reader(payload);
  const flags = reader.u8();
  const peer = reader.address();
  const port = reader.u16();
  const length = reader.u8();
  if (reader.failed) return reader.refusal();
  if (port === 0) return refuse("bad_value", PORT_OFFSET);
  if (length !== 4 && length !== 16) return refuse("bad_value", LENGTH_OFFSET);
  const ip = reader.bytes(length);
  return reader.failed ? reader.refusal() : accept({ flags, peer, endpoint: makeEndpoint(ip, port) });
}
