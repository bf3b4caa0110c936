/**
 * The multicast groups that an interface is in, as the kernel has them. Facts: vl2-ethernet.md §5.1, §7.1; proc(5)
 * (/proc/net/dev_mcast: number, name, users, global users, MAC).
 */
import { readFileSync } from "node:fs";
import { addressResolutionGroup, type Mac, type MulticastGroup } from "../../protocol/ethernet.ts";
import type { IpPrefix } from "../../protocol/inet-address.ts";

const DEV_MCAST = "/proc/net/dev_mcast";

/** The link-layer groups in the text of /proc/net/dev_mcast, by interface. */
export function parseDeviceGroups(text: string): Map<string, Mac[]> {
  const groups = new Map<string, Mac[]>();
  for (const line of text.split("\n")) {
    const [, name, , , mac] = line.trim().split(/\s+/);
    if (name === undefined || mac === undefined || !/^[0-9a-f]{12}$/i.test(mac)) continue;
    const known = groups.get(name);
    if (known === undefined) groups.set(name, [Number.parseInt(mac, 16)]);
    else known.push(Number.parseInt(mac, 16));
  }
  return groups;
}

/** Groups of every interface; empty if the kernel does not tell. */
export function deviceGroups(): Map<string, Mac[]> {
  try {
    return parseDeviceGroups(readFileSync(DEV_MCAST, "utf8"));
  } catch {
    return new Map();
  }
}

/** What an interface wants to hear: its link-layer groups, and those in which its addresses are looked for. */
export function wantedGroups(macs: readonly Mac[], addresses: readonly IpPrefix[]): MulticastGroup[] {
  return [...macs.map((mac) => ({ mac, adi: 0 })), ...addresses.map(({ ip }) => addressResolutionGroup(ip))];
}
