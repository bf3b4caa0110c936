/** `listmoons`, `orbit` and `deorbit`: cli.md §2. */
import { change, failWithReply, fetchJson, printReadJson, type ServiceSession } from "./client.ts";

/** Always JSON. */
export async function listMoons(session: ServiceSession): Promise<void> {
  printReadJson(session, await fetchJson(session, "listmoons", "/moon"));
}

function isNonZeroHex(text: string | undefined): text is string {
  return text !== undefined && /[1-9a-f]/i.test(/^[0-9a-f]*/i.exec(text)?.[0] ?? "");
}

/**
 * Starts orbiting `world` by way of its root `seed`; without both it does nothing and says nothing. With -j it prints
 * the same line, as the reference does.
 */
export async function orbit(session: ServiceSession, world?: string, seed?: string): Promise<void> {
  if (!isNonZeroHex(world) || !isNonZeroHex(seed)) return;
  const reply = await session.send("POST", `/moon/${encodeURIComponent(world)}`, JSON.stringify({ seed }));
  if (reply.status !== 200) failWithReply(session, "orbit", reply);
  session.context.stdout("200 orbit OK\n");
}

export async function deorbit(session: ServiceSession, world = ""): Promise<void> {
  await change(session, "deorbit", "DELETE", `/moon/${encodeURIComponent(world)}`);
}
