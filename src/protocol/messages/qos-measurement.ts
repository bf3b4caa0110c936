/**
 * QOS_MEASUREMENT (verb 19), bonded peers only, suite 0: when your packets arrived here. No reply.
 * Facts: vl1-packets.md §5.18. The only little-endian fields of the protocol.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 8 | packet id | little-endian; 10 bytes per record, 1 … 140 of them |
 * | 8 | 2 | holding time | little-endian, ms from arrival to this report |
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";

export const MAX_QOS_RECORDS = 140;
const RECORD_BYTES = 10;
const MAX_QOS_BYTES = MAX_QOS_RECORDS * RECORD_BYTES;

export interface QosRecord {
  /** As `packetIdOf` reads it from the packet's header. */
  readonly packetId: bigint;
  readonly holdingMs: number;
}

export interface QosMeasurement {
  readonly records: readonly QosRecord[];
}

function reversed64(value: bigint): bigint {
  let result = 0n;
  for (let i = 0n; i < 64n; i += 8n) result = (result << 8n) | ((value >> i) & 0xffn);
  return result;
}

function reversed16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

export function encodeQosMeasurement(measurement: QosMeasurement): Uint8Array {
  const writer = new Writer(measurement.records.length * RECORD_BYTES);
  for (const { packetId, holdingMs } of measurement.records)
    writer.u64(reversed64(packetId)).u16(reversed16(holdingMs));
  return writer.finish();
}

/** Refuses less than a record and more than 140; a remainder below 10 bytes is ignored. */
export function decodeQosMeasurement(payload: Uint8Array): Verdict<QosMeasurement> {
  if (payload.length > MAX_QOS_BYTES) return refuse("too_long", 0);
  const reader = new Reader(payload);
  const records: QosRecord[] = [];
  do records.push({ packetId: reversed64(reader.u64()), holdingMs: reversed16(reader.u16()) });
  while (reader.remaining >= RECORD_BYTES);
  return reader.failed ? reader.refusal() : accept({ records });
}
