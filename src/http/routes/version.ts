/** The version fields that /status and /health share: tools take us for this release of the reference. */
import { VERSION_MAJOR, VERSION_MINOR, VERSION_REVISION } from "../../protocol/constants.ts";

export const VERSION_FIELDS = {
  version: `${VERSION_MAJOR}.${VERSION_MINOR}.${VERSION_REVISION}`,
  versionBuild: 0,
  versionMajor: VERSION_MAJOR,
  versionMinor: VERSION_MINOR,
  versionRev: VERSION_REVISION,
} as const;
