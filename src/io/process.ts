/** What the operating system tells about this process. */
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Open file descriptors, or −1 where the system does not tell. */
export function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return -1;
  }
}

/** Processors that this process may use. */
export function cores(): number {
  return availableParallelism();
}
