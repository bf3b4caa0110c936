/**
 * What the kernel threw away because a receive buffer was full: datagrams that the program never saw. Linux tells it
 * in the last column of /proc/net/udp and /proc/net/udp6.
 */
import { readFileSync } from "node:fs";

const TABLES = ["/proc/self/net/udp", "/proc/self/net/udp6"] as const;
/** Columns: sl, local_address (hex IP:port) … drops. */
const LOCAL_ADDRESS = 1;

/** Datagrams dropped so far by the open UDP sockets of this namespace with one of `ports`; 0 where nobody tells. */
export function receiveDrops(ports: readonly number[]): number {
  let drops = 0;
  for (const table of TABLES) drops += dropsIn(readTable(table), ports);
  return drops;
}

function readTable(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The sum over one table's text; exported for its test. */
export function dropsIn(text: string, ports: readonly number[]): number {
  let drops = 0;
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const port = Number.parseInt(columns[LOCAL_ADDRESS]?.split(":")[1] ?? "", 16);
    const dropped = Number(columns.at(-1));
    if (ports.includes(port) && Number.isSafeInteger(dropped)) drops += dropped;
  }
  return drops;
}
