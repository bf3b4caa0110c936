/** The status of the recorded root and controller, for stand-ins that have to be some node. */
import { readFileSync } from "node:fs";
import type { RecordedStatus } from "./recorded-node.ts";

export function recordedStatus(): RecordedStatus {
  const url = new URL("../fixtures/vectors/api/status-auth.json", import.meta.url);
  const { exchanges } = JSON.parse(readFileSync(url, "utf8")) as {
    exchanges: { response: { json: RecordedStatus } }[];
  };
  return exchanges[0]!.response.json;
}
