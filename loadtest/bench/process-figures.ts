/** What the kernel says about a process: CPU time of all its threads, and its memory. */
import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

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

/**
 * Seconds that CPUs were busy since the machine started, from /proc/stat: those of `cpus`, a list as taskset takes it
 * ("1", "0,2-3"). Time that a hypervisor gave to others counts.
 */
export function parseBusySeconds(stat: string, cpus: string): number {
  let ticks = 0;
  for (const [, number, figures] of stat.matchAll(/^cpu(\d+) (.*)$/gm)) {
    if (!parseCpuList(cpus).includes(Number(number))) continue;
    const [user = 0, nice = 0, system = 0, , , interrupt = 0, softInterrupt = 0, stolen = 0] = figures!
      .split(" ")
      .map(Number);
    ticks += user + nice + system + interrupt + softInterrupt + stolen;
  }
  return ticks / TICKS_PER_SECOND;
}

/** "0,2-3" as 0, 2, 3. */
export function parseCpuList(cpus: string): number[] {
  return cpus.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

export function busySeconds(cpus: string): number {
  return parseBusySeconds(readFileSync("/proc/stat", "utf8"), cpus);
}
