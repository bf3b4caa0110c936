/** What the operating system tells about this process. */
import { readdirSync } from "node:fs";
import { availableParallelism, constants, getPriority, setPriority } from "node:os";

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

/**
 * Lets the calling thread go before others by `levels` of niceness (1 … 19). False where the system does not allow it,
 * which takes root, CAP_SYS_NICE or RLIMIT_NICE, or where a thread has no niceness of its own (elsewhere than on Linux).
 * Facts: setpriority(2) (on Linux 0 means the calling thread), sched(7).
 */
export function preferThread(levels: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    setPriority(Math.max(getPriority() - levels, constants.priority.PRIORITY_HIGHEST));
    return true;
  } catch {
    return false;
  }
}
