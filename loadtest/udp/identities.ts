/**
 * Identities for synthetic peers. Making one takes about a third of a second of one core, so a file can keep
 * them: one identity a line, with its secret, in the usual text form. They are good for load tests and nothing else.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { formatIdentity, type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { IdentityPool } from "../../src/identity/pool.ts";

/** Identities with secrets found in a cache file's text; lines that hold none are passed over. */
export function parseIdentityLines(text: string): Identity[] {
  const found = new Map<number, Identity>();
  for (const line of text.split("\n")) {
    const identity = line.trim() === "" ? null : parseIdentity(line.trim());
    if (identity?.hasSecret) found.set(identity.address, identity);
  }
  return [...found.values()];
}

/**
 * `count` identities with secrets: those of `file` first (it may be absent), the rest generated on all cores and
 * added to the file (mode 0600). `progress` is told after each one made.
 */
export async function obtainIdentities(
  count: number,
  file: string | null,
  progress: (made: number, wanted: number) => void,
): Promise<Identity[]> {
  const kept = file === null ? [] : parseIdentityLines(readIfThere(file));
  const wanted = count - kept.length;
  if (wanted <= 0) return kept.slice(0, count);
  const pool = new IdentityPool({ threads: availableParallelism(), maxQueued: wanted });
  let made = 0;
  try {
    const fresh = await Promise.all(
      Array.from({ length: wanted }, async () => {
        const identity = await pool.generate();
        progress(++made, wanted);
        return identity;
      }),
    );
    const all = [...kept, ...fresh];
    if (file !== null) {
      writeFileSync(file, all.map((identity) => `${formatIdentity(identity, true)}\n`).join(""), { mode: 0o600 });
    }
    return all;
  } finally {
    await pool.close();
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
