/**
 * NETWORK_CONFIG (verb 12) and the body of OK(NETWORK_CONFIG_REQUEST): one signed slice of a configuration.
 * Facts: vl1-packets.md §5.13, vl2-networks.md §4.1–§4.2.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0    | 8 | network id | the signed part begins here |
 * | 8    | 2 | length n | of the slice |
 * | 10   | n | slice | of the dictionary |
 * | 10+n | 1 | flags | 0x01 propagate fast |
 * | 11+n | 8 | update id | random, the same for all slices of one configuration |
 * | 19+n | 4 | total length | of the dictionary |
 * | 23+n | 4 | offset | of this slice; the signed part ends here |
 * | 27+n | 1 | signature type | 1 |
 * | 28+n | 2 | signature length | 96 |
 * | 30+n | 96 | signature | by the controller |
 *
 * The legacy form ends behind the slice: a whole configuration, believed only from the controller itself.
 */
import { Reader, Writer } from "../bytes.ts";
import { accept, refuse, type Verdict } from "../errors.ts";

export const CONFIG_CHUNK_FLAG_PROPAGATE = 0x01;
/** A configuration's dictionary is shorter than this. */
export const CONFIG_CAPACITY_BYTES = 484520;
/** The longest slice a controller sends: what fits a packet, less 256 bytes. */
export const MAX_CONFIG_SLICE_BYTES = 9740;

const SIGNATURE_TYPE = 1;
const SIGNATURE_BYTES = 96;
const SLICE_OFFSET = 10;

/** Where a slice belongs, and the controller's word for it. */
export interface ConfigAssembly {
  readonly flags: number;
  readonly updateId: bigint;
  readonly totalLength: number;
  readonly offset: number;
}

export interface ConfigChunk {
  readonly networkId: bigint;
  /** A view when decoded. */
  readonly slice: Uint8Array;
  /** Null in the legacy form, together with the signature. */
  readonly assembly: ConfigAssembly | null;
  /** 96 bytes; a view when decoded. */
  readonly signature: Uint8Array | null;
}

/** The bytes the controller signs. */
export function encodeConfigChunkToSign(networkId: bigint, slice: Uint8Array, assembly: ConfigAssembly): Uint8Array {
  const writer = new Writer(SLICE_OFFSET + slice.length + 17 + 3 + SIGNATURE_BYTES);
  writer.u64(networkId).u16(slice.length).bytes(slice);
  writer.u8(assembly.flags).u64(assembly.updateId).u32(assembly.totalLength).u32(assembly.offset);
  return writer.finish();
}

/** The whole chunk; the legacy form if there is no assembly or no signature. */
export function encodeNetworkConfig(chunk: ConfigChunk): Uint8Array {
  const { networkId, slice, assembly, signature } = chunk;
  if (assembly === null || signature === null) {
    return new Writer(SLICE_OFFSET + slice.length).u64(networkId).u16(slice.length).bytes(slice).finish();
  }
  const signed = encodeConfigChunkToSign(networkId, slice, assembly);
  const writer = new Writer(signed.length + 3 + signature.length);
  return writer.bytes(signed).u8(SIGNATURE_TYPE).u16(signature.length).bytes(signature).finish();
}

/**
 * Decodes a chunk. `signed` is the view of what the signature covers (empty in the legacy form). Refuses a slice
 * that lies outside its total, a total beyond the capacity, and other signatures than 96 bytes of type 1.
 */
export function decodeNetworkConfig(payload: Uint8Array): Verdict<{ chunk: ConfigChunk; signed: Uint8Array }> {
  const reader = new Reader(payload);
  const networkId = reader.u64();
  const slice = reader.bytes(reader.u16());
  if (reader.failed) return reader.refusal();
  if (reader.remaining === 0) {
    return accept({ chunk: { networkId, slice, assembly: null, signature: null }, signed: new Uint8Array(0) });
  }
  const assemblyOffset = reader.offset;
  const flags = reader.u8();
  const updateId = reader.u64();
  const totalLength = reader.u32();
  const offset = reader.u32();
  const signedBytes = reader.offset;
  const type = reader.u8();
  const length = reader.u16();
  if (reader.failed) return reader.refusal();
  if (totalLength >= CONFIG_CAPACITY_BYTES) return refuse("too_long", assemblyOffset);
  if (offset + slice.length > totalLength) return refuse("bad_value", assemblyOffset);
  if (type !== SIGNATURE_TYPE || length !== SIGNATURE_BYTES) return refuse("bad_value", signedBytes);
  const signature = reader.bytes(SIGNATURE_BYTES);
  if (reader.failed) return reader.refusal();
  const assembly = { flags, updateId, totalLength, offset };
  return accept({ chunk: { networkId, slice, assembly, signature }, signed: payload.subarray(0, signedBytes) });
}

/**
 * Body of the OK that acknowledges a complete configuration: 8 bytes network id, 8 bytes update id. Its in-re verb
 * is ECHO, a quirk of the protocol (vl2-networks.md §4.2).
 */
export interface ConfigAcknowledgement {
  readonly networkId: bigint;
  readonly updateId: bigint;
}

export function encodeConfigAcknowledgement(acknowledgement: ConfigAcknowledgement): Uint8Array {
  return new Writer(16).u64(acknowledgement.networkId).u64(acknowledgement.updateId).finish();
}

export function decodeConfigAcknowledgement(body: Uint8Array): Verdict<ConfigAcknowledgement> {
  const reader = new Reader(body);
  const networkId = reader.u64();
  const updateId = reader.u64();
  return reader.failed ? reader.refusal() : accept({ networkId, updateId });
}
