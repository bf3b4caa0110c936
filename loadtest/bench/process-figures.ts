/** What the kernel says about a process: CPU time of all its threads, and its memory. */
import { readdirSync, readFileSync } from "node:fs";

/** First figure of /proc/PID/task/TID/schedstat: nanoseconds on a CPU. NaN if the kernel keeps none. */
export function parseSchedstat(text: string): number {
  const [first] = text.trim().split(/\s+/);
  return first === undefined || first === "" ? Number.NaN : Number(first);
}

/** VmRSS of /proc/PID/status in bytes. NaN if it is not there. */
export function parseResidentBytes(status: string): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  return found === null ? Number.NaN : Number(found[1]) * 1024;
}

/** Nanoseconds that all threads of a process have run. A thread that has ended is not counted. */
export function runNanoseconds(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += parseSchedstat(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"));
    } catch {
      // The thread has just ended.
    }
  }
  return sum;
}

export function residentBytes(pid: number): number {
  return parseResidentBytes(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** True if the process has a UDP socket on this port, by its namespace's tables. */
export function listensOn(pid: number, port: number): boolean {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  return ["udp", "udp6"].some((table) => {
    try {
      return readFileSync(`/proc/${pid}/net/${table}`, "utf8").includes(hex);
    } catch {
      return false;
    }
  });
}

/** One line of /proc/cpuinfo, the model. */
export function parseCpuModel(cpuinfo: string): string {
  return /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1] ?? "unknown";
}
