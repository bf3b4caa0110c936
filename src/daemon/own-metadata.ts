/** What this program says of itself when it asks for a configuration. Facts: vl2-networks.md §3. */
import type { RequestMetadata } from "../network/request-metadata.ts";
import { PROTOCOL_VERSION, VERSION_MAJOR, VERSION_MINOR, VERSION_REVISION } from "../protocol/constants.ts";

const CONFIG_FORMAT_VERSION = 7;
const VENDOR_UNSPECIFIED = 0;
const RULES_ENGINE_REVISION = 1;
/** The reference's names for what Node calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", ia32: "x86", arm64: "aarch64" };

export function ownMetadata(): RequestMetadata {
  return {
    formatVersion: CONFIG_FORMAT_VERSION,
    vendor: VENDOR_UNSPECIFIED,
    protocolVersion: PROTOCOL_VERSION,
    versionMajor: VERSION_MAJOR,
    versionMinor: VERSION_MINOR,
    versionRevision: VERSION_REVISION,
    rulesEngineRevision: RULES_ENGINE_REVISION,
    platform: `${process.platform}/${ARCHITECTURES[process.arch] ?? process.arch}`,
    credential: "",
  };
}
