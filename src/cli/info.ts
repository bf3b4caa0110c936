/** `info` and `status`: cli.md §2. */
import { isJsonObject } from "../json/json.ts";
import { fetchJson, printReadJson, type ServiceSession } from "./client.ts";
import { stringOf } from "./json-fields.ts";

/** One line: address, version, and whether a root is reached. It says `info` for both verbs. */
export async function info(session: ServiceSession): Promise<void> {
  const status = await fetchJson(session, "info", "/status");
  if (session.json) {
    printReadJson(session, status);
    return;
  }
  const fields = isJsonObject(status) ? status : {};
  const state = fields["tcpFallbackActive"] === true ? "TUNNELED" : fields["online"] === true ? "ONLINE" : "OFFLINE";
  session.context.stdout(`200 info ${stringOf(fields["address"])} ${stringOf(fields["version"])} ${state}\n`);
}
