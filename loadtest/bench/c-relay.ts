/**
 * The relay in C (c-relay.c) that ours is put beside: compiled when the benchmark begins, told all peers in a file.
 * It knows nothing but relaying, so it shows what the kernel alone costs.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Address, formatAddress, writeAddress } from "../../src/protocol/address.ts";

const SOURCE = fileURLToPath(new URL("./c-relay.c", import.meta.url));
const RECORD_BYTES = 12;

/** One peer of the relay's table. */
export interface TableEntry {
  readonly address: Address;
  /** Host order. */
  readonly ip: number;
  readonly port: number;
}

/** True if there is a compiler. */
export function canCompile(): boolean {
  return spawnSync("gcc", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Compiles the relay into `directory` and gives the program's path. Throws if the compiler refuses. */
export function compileRelay(directory: string): string {
  const program = join(directory, "c-relay");
  execFileSync("gcc", ["-O3", "-march=native", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return program;
}

/** Writes the table that the relay reads when it starts. */
export function writeTable(path: string, entries: readonly TableEntry[]): void {
  const bytes = new Uint8Array(entries.length * RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  entries.forEach(({ address, ip, port }, i) => {
    const at = i * RECORD_BYTES;
    writeAddress(bytes, at, address);
    view.setUint32(at + 5, ip);
    view.setUint16(at + 9, port);
  });
  writeFileSync(path, bytes);
}

/** The command that starts the relay. */
export function relayCommand(program: string, port: number, own: Address, table: string): string[] {
  return [program, String(port), formatAddress(own), table];
}
