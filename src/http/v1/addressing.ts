/**
 * Whether routes and address pools of a network make sense together. The reference takes anything and leaves the network
 * broken (controller.md §3, §10); here the caller hears what to write. Pure.
 */
import { formatPrefix, isNetworkAddress, networkOf } from "../../controller/subnets.ts";
import { formatIp, type IpPrefix, parseIp, parsePrefix, prefixContains } from "../../protocol/inet-address.ts";
import { type FieldError, invalid } from "./errors.ts";

export interface Addressing {
  readonly routes: readonly { readonly target: string; readonly via: string | null }[];
  readonly pools4: readonly { readonly start: string; readonly end: string }[];
  readonly pools6: readonly { readonly start: string; readonly end: string }[];
}

interface ManagedRoute {
  readonly text: string;
  readonly prefix: IpPrefix;
}

function checkRoutes(routes: Addressing["routes"], managed: readonly ManagedRoute[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Map<string, number>();
  for (const [at, { target, via }] of routes.entries()) {
    const prefix = parsePrefix(target);
    const path = `routes.${at}.target`;
    if (prefix === null) {
      errors.push({ path, message: `${target} is no network`, expected: "a network ip/bits" });
      continue;
    }
    if (!isNetworkAddress(prefix)) {
      const network = formatPrefix(networkOf(prefix));
      errors.push({ path, message: `${target} is an address inside a network: write ${network}`, expected: network });
    }
    const key = formatPrefix(networkOf(prefix));
    const twin = seen.get(key);
    if (twin !== undefined) {
      errors.push({ path, message: `${target} is there already, as routes.${twin}`, expected: "each target once" });
    }
    seen.set(key, at);
    const gateway = via === null ? null : parseIp(via);
    if (gateway !== null) errors.push(...checkGateway(at, via!, gateway, prefix, managed));
  }
  return errors;
}

function checkGateway(
  at: number,
  via: string,
  gateway: Uint8Array,
  target: IpPrefix,
  managed: readonly ManagedRoute[],
): FieldError[] {
  const path = `routes.${at}.via`;
  if (gateway.length !== target.ip.length) {
    const expected = `an IPv${target.family} address`;
    return [{ path, message: `${via} is of another address family than the target: write ${expected}`, expected }];
  }
  if (managed.some(({ prefix }) => prefixContains(prefix, gateway))) return [];
  const choices = managed.filter(({ prefix }) => prefix.family === target.family).map(({ text }) => text);
  const expected =
    choices.length === 0
      ? `null, or first a managed IPv${target.family} route (one without via)`
      : `an address inside ${choices.slice(0, 4).join(" or ")}`;
  return [{ path, message: `${via} lies in no managed route: write ${expected}`, expected }];
}

function checkPools(
  name: string,
  pools: Addressing["pools4"],
  family: 4 | 6,
  managed: readonly ManagedRoute[],
): FieldError[] {
  return pools.flatMap(({ start, end }, at): FieldError[] => {
    const path = `${name}.${at}`;
    const first = parseIp(start);
    const last = parseIp(end);
    if (first === null || last === null || first.length !== last.length) {
      return [{ path, message: `${start} to ${end} is no range`, expected: `two IPv${family} addresses` }];
    }
    if (Buffer.compare(first, last) > 0) {
      const expected = `{"start": "${formatIp(last)}", "end": "${formatIp(first)}"}`;
      return [{ path: `${path}.start`, message: `${start} is behind the end ${end}: write ${expected}`, expected }];
    }
    if (managed.some(({ prefix }) => prefixContains(prefix, first) && prefixContains(prefix, last))) return [];
    const choices = managed.filter(({ prefix }) => prefix.family === family).map(({ text }) => text);
    const expected =
      choices.length === 0
        ? `a managed route that contains ${start} first (routes: [{"target": …}])`
        : `a range inside ${choices.slice(0, 4).join(" or ")}, or add a route for it`;
    return [{ path, message: `${start} to ${end} lies in no managed route: write ${expected}`, expected }];
  });
}

/** Throws `ApiError` 400 with one entry for everything that does not fit. */
export function checkAddressing({ routes, pools4, pools6 }: Addressing): void {
  const managed = routes.flatMap(({ target, via }): ManagedRoute[] => {
    const prefix = via === null ? parsePrefix(target) : null;
    return prefix === null ? [] : [{ text: target, prefix }];
  });
  const errors = [
    ...checkRoutes(routes, managed),
    ...checkPools("ipv4.pools", pools4, 4, managed),
    ...checkPools("ipv6.pools", pools6, 6, managed),
  ];
  if (errors.length > 0) throw invalid(errors);
}

/**
 * What is wrong with addresses of a member: each must lie inside one of the managed routes. Those in `held` were there
 * before and are nobody's mistake now.
 */
export function addressErrors(
  path: string,
  ips: readonly string[],
  held: readonly string[],
  managed: readonly string[],
): FieldError[] {
  const prefixes = managed.map(parsePrefix).filter((prefix) => prefix !== null);
  return ips.flatMap((text, at): FieldError[] => {
    const ip = parseIp(text);
    if (held.includes(text)) return [];
    if (ip !== null && prefixes.some((prefix) => prefixContains(prefix, ip))) return [];
    const expected =
      managed.length === 0
        ? "nothing: the network has no managed route"
        : `an address inside ${managed.slice(0, 4).join(" or ")}`;
    return [{ path: `${path}.${at}`, message: `${text} lies in no managed route: write ${expected}`, expected }];
  });
}
