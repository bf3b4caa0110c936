/**
 * Which addresses and routes an interface should have, given a configuration and what the host allows.
 * Facts: vl2-ethernet.md §7.2, §7.3.
 */
import type { Route } from "../network/config-blobs.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { formatIp, type IpPrefix, prefixContains } from "../protocol/inet-address.ts";
import { type LocalSettings, mayApply } from "./local-settings.ts";

/** Of routes through a gateway. */
const ROUTE_METRIC = 5000;

/** A route to install. */
export interface PlannedRoute {
  readonly target: IpPrefix;
  readonly via: Uint8Array | null;
  /** The own address that shares the longest prefix with the target. */
  readonly source: Uint8Array | null;
  readonly metric: number | null;
}

export interface HostPlan {
  readonly addresses: readonly IpPrefix[];
  /** On-link ones first: the others' gateways lie in them. */
  readonly routes: readonly PlannedRoute[];
}

/** What to do, in this order; within each list, too. */
export interface HostChanges {
  readonly removeRoutes: readonly PlannedRoute[];
  readonly removeAddresses: readonly IpPrefix[];
  readonly addAddresses: readonly IpPrefix[];
  readonly addRoutes: readonly PlannedRoute[];
}

export const NOTHING_PLANNED: HostPlan = { addresses: [], routes: [] };

/** `online`: a default route is only given to a network while a root can be reached. */
export function planHost(
  config: { readonly staticIps: readonly IpPrefix[]; readonly routes: readonly Route[] },
  settings: LocalSettings,
  online: boolean,
): HostPlan {
  const addresses = unique(config.staticIps.filter((ip) => mayApply(settings, ip)));
  const routes: PlannedRoute[] = [];
  const seen = new Set<string>();
  for (const { target: written, via } of config.routes) {
    const target = masked(written);
    if (!mayApply(settings, target) || seen.has(prefixText(target))) continue;
    const own = addresses.filter(({ family }) => family === target.family);
    if (own.length === 0) continue;
    if (via !== null && (via.length !== target.ip.length || own.some(({ ip }) => bytesEqual(ip, via)))) continue;
    if (own.some(({ ip, bits }) => bits === target.bits && prefixContains(target, ip))) continue;
    if (target.bits === 0 && via !== null && !online) continue;
    seen.add(prefixText(target));
    const source = closest(own, target.ip);
    const metric = via === null ? null : ROUTE_METRIC;
    for (const half of target.bits === 0 ? halvesOf(target) : [target]) {
      routes.push({ target: half, via, source, metric });
    }
  }
  return {
    addresses,
    routes: [...routes.filter(({ via }) => via === null), ...routes.filter(({ via }) => via !== null)],
  };
}

/**
 * What leads from what an interface has to what it should have. Of what it has, only what is also in `ours` (what we
 * gave it) is removed; what somebody else put there already is not added.
 */
export function planChanges(present: HostPlan, wanted: HostPlan, ours: HostPlan): HostChanges {
  const addresses = changesOf(present.addresses, wanted.addresses, ours.addresses, prefixText);
  const routes = changesOf(present.routes, wanted.routes, ours.routes, routeText);
  return {
    // Those with a gateway first: it lies in the target of another route.
    removeRoutes: routes.remove.sort((a, b) => Number(a.via === null) - Number(b.via === null)),
    removeAddresses: addresses.remove,
    addAddresses: addresses.add,
    addRoutes: routes.add,
  };
}

function changesOf<T>(present: readonly T[], wanted: readonly T[], ours: readonly T[], text: (one: T) => string) {
  const [has, wants, own] = [present, wanted, ours].map((list) => new Set(list.map(text)));
  return {
    remove: present.filter((one) => own!.has(text(one)) && !wants!.has(text(one))),
    add: wanted.filter((one) => !has!.has(text(one))),
  };
}

/** True if the host lets the network take its default route, of either family. */
export function takesDefaultRoute(routes: readonly Route[], settings: LocalSettings): boolean {
  return routes.some(({ target }) => target.bits === 0 && mayApply(settings, masked(target)));
}

/** Both halves of everything: more specific than the system's default route, which stays as it is. */
function halvesOf({ family, ip }: IpPrefix): IpPrefix[] {
  const upper = new Uint8Array(ip.length);
  upper[0] = 0x80;
  return [
    { family, ip, bits: 1 },
    { family, ip: upper, bits: 1 },
  ];
}

/** The kernel refuses targets with host bits. */
function masked({ family, ip, bits }: IpPrefix): IpPrefix {
  const kept = ip.map((byte, i) => byte & (0xff << Math.min(Math.max(8 * (i + 1) - bits, 0), 8)));
  return { family, ip: kept, bits };
}

function closest(own: readonly IpPrefix[], target: Uint8Array): Uint8Array | null {
  let best: Uint8Array | null = null;
  let bestBits = -1;
  for (const { ip } of own) {
    const bits = sharedBits(ip, target);
    if (bits <= bestBits) continue;
    best = ip;
    bestBits = bits;
  }
  return best;
}

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return 8 * a.length;
}

function unique(prefixes: readonly IpPrefix[]): IpPrefix[] {
  const seen = new Set<string>();
  const sorted = [...prefixes].sort((a, b) => a.family - b.family || compareBytes(a.ip, b.ip) || a.bits - b.bits);
  return sorted.filter((prefix) => {
    const text = formatIp(prefix.ip);
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
}

/** `ip/bits`, to tell prefixes apart. */
export function prefixText({ ip, bits }: IpPrefix): string {
  return `${formatIp(ip)}/${bits}`;
}

/** Routes are the same if everything about them is. */
export function routeText({ target, via, source, metric }: PlannedRoute): string {
  return [
    prefixText(target),
    via === null ? "-" : formatIp(via),
    source === null ? "-" : formatIp(source),
    metric,
  ].join(" ");
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
