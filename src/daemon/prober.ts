/** The identity with which the daemon asks itself whether it answers. */
import type { Logger } from "pino";
import type { Identity } from "../identity/identity.ts";
import type { IdentityPool } from "../identity/pool.ts";
import type { Home } from "../store/files.ts";

/**
 * The one that is kept in the home, so that restarts do not leave a trail of identities, or a new one. Null if that
 * was not possible: without a prober the daemon is not ready, which is then the truth.
 */
export async function loadProber(home: Home, pool: IdentityPool, log: Logger): Promise<Identity | null> {
  try {
    const prober = home.loadProber() ?? (await pool.generate());
    home.saveProber(prober);
    return prober;
  } catch (error) {
    // A pool that is closing refuses.
    log.debug({ err: error }, "no probing identity");
    return null;
  }
}
