/** Name servers of one interface, told to systemd-resolved by its own tool. Facts: vl2-ethernet.md §7.4; resolvectl(1). */
import { execFile } from "node:child_process";

const TIMEOUT_MS = 5000;

/**
 * Names inside `domain` are asked of `servers` from now on, and nothing else is; without servers what was set is taken
 * back. `failed` hears why if there is no systemd-resolved, or it refuses.
 */
export function setLinkDns(
  interfaceName: string,
  domain: string,
  servers: readonly string[],
  failed: (reason: string) => void,
): void {
  const run = (...words: string[]) =>
    execFile("resolvectl", words, { timeout: TIMEOUT_MS }, (error) => {
      if (error !== null) failed(error.message.trim());
    });
  if (servers.length === 0) {
    run("revert", interfaceName);
    return;
  }
  run("dns", interfaceName, ...servers);
  run("domain", interfaceName, `~${domain}`);
}
