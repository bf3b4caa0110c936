/** `listmoons`, `orbit` and `deorbit`: cli.md §2. */
import { change, fetchJson, printReadJson, type ServiceSession } from "./client.ts";

/** Always JSON. */
export async function listMoons(session: ServiceSession): Promise<void> {
  printReadJson(session, await fetchJson(session, "listmoons", "/moon"));
}

function isNonZeroHex(text: string | undefined): text is string {
  return text !== undefined && /[1-9a-f]/i.test(/^[0-9a-f]*/i.exec(text)?.[0] ?? "");
}

/** Starts orbiting `world` by way of its root `seed`; without both it does nothing and says nothing. */
export async function orbit(session: ServiceSession, world?: string, seed?: string): Promise<void> {
  if (!isNonZeroHex(world) || !isNonZeroHex(seed)) return;
  await change(session, "orbit", "POST", `/moon/${encodeURIComponent(world)}`, JSON.stringify({ seed }));
}

export async function deorbit(session: ServiceSession, world = ""): Promise<void> {
  await change(session, "deorbit", "DELETE", `/moon/${encodeURIComponent(world)}`);
}
