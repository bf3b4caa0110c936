/**
 * What a member says about its software when it asks for a configuration: the dictionary in NETWORK_CONFIG_REQUEST.
 * Facts: vl2-networks.md §3; controller.md §7–§8 (what a controller makes of it).
 *
 * Written in this order, numbers as 16 hex digits: `v vend pv majv minv revv mr mc mcr mt f revr o`, and `a` if there
 * is something to say.
 */
import { MAX_CAPABILITY_RULES } from "../protocol/credential-bytes.ts";
import { Dictionary, DictionaryWriter } from "../protocol/dictionary.ts";
import { MAX_REQUEST_METADATA_BYTES } from "../protocol/messages/network-config-request.ts";
import { MAX_CAPABILITIES, MAX_RULES, MAX_TAGS } from "./limits.ts";

export interface RequestMetadata {
  /** The newest format of configurations that it understands (`v`); below 6 is one that nobody writes any more. */
  readonly formatVersion: number;
  /** `vend`: 0 unspecified, 1 ZeroTier. */
  readonly vendor: number;
  /** `pv`. */
  readonly protocolVersion: number;
  /** `majv`, `minv`, `revv`. */
  readonly versionMajor: number;
  readonly versionMinor: number;
  readonly versionRevision: number;
  /** `revr`: 0 if it has no rules engine, and so is sent one rule that accepts, and neither capabilities nor tags. */
  readonly rulesEngineRevision: number;
  /** `o`: platform and architecture, as in `linux/x86_64`; may be empty. At most 127 bytes. */
  readonly platform: string;
  /** `a`: how it wants to be let in, as in `token:…`; empty if it says nothing. At most 511 bytes. */
  readonly credential: string;
}

const MAX_PLATFORM_BYTES = 127;
const MAX_CREDENTIAL_BYTES = 511;
const MAX_U32 = 0xffffffffn;

/**
 * Reads metadata from hostile bytes. Whatever is missing is 0 or empty; numbers stay within 0 … 2^32−1. There is no
 * metadata that cannot be read.
 */
export function decodeRequestMetadata(bytes: Uint8Array): RequestMetadata {
  const dictionary = new Dictionary(bytes.subarray(0, MAX_REQUEST_METADATA_BYTES));
  const number = (key: string) => {
    const value = dictionary.i64(key, 0n);
    return value < 0n ? 0 : Number(value > MAX_U32 ? MAX_U32 : value);
  };
  return {
    formatVersion: number("v"),
    vendor: number("vend"),
    protocolVersion: number("pv"),
    versionMajor: number("majv"),
    versionMinor: number("minv"),
    versionRevision: number("revv"),
    rulesEngineRevision: number("revr"),
    platform: dictionary.text("o", MAX_PLATFORM_BYTES) ?? "",
    credential: dictionary.text("a", MAX_CREDENTIAL_BYTES) ?? "",
  };
}

/** The dictionary. Throws RangeError if it is as long as 1024 bytes: a dictionary leaves room for a terminator. */
export function encodeRequestMetadata(metadata: RequestMetadata): Uint8Array {
  const writer = new DictionaryWriter();
  const number = (key: string, value: number) => writer.u64(key, BigInt(value));
  number("v", metadata.formatVersion);
  number("vend", metadata.vendor);
  number("pv", metadata.protocolVersion);
  number("majv", metadata.versionMajor);
  number("minv", metadata.versionMinor);
  number("revv", metadata.versionRevision);
  number("mr", MAX_RULES);
  number("mc", MAX_CAPABILITIES);
  number("mcr", MAX_CAPABILITY_RULES);
  number("mt", MAX_TAGS);
  number("f", 0);
  number("revr", metadata.rulesEngineRevision);
  writer.text("o", metadata.platform);
  if (metadata.credential !== "") writer.text("a", metadata.credential);
  if (writer.length >= MAX_REQUEST_METADATA_BYTES) throw new RangeError(`metadata of ${writer.length} bytes`);
  return writer.finish();
}
