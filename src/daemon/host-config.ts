/**
 * Brings the addresses and routes of one interface to what they should be, and keeps them there: each time it looks at
 * what the kernel has, since other programs and the kernel itself take addresses and routes away. What others put
 * there stays. Facts: vl2-ethernet.md §7.2, §7.3.
 *
 * Nothing of this has to be remembered over a crash: the interface goes with the process (io/linux/tap.ts), and all
 * that is made here goes with the interface.
 */
import type { Device, HostNetwork } from "../io/linux/host-network.ts";
import { NetlinkError } from "../io/linux/netlink.ts";
import { type HostPlan, type PlannedRoute, planChanges, prefixText, routeText } from "../leaf/host-plan.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";

/** Where addresses and routes are: the kernel. */
export type HostTables = Pick<
  HostNetwork,
  "addresses" | "addAddress" | "deleteAddress" | "routes" | "addRoute" | "deleteRoute"
>;

/** Somebody else has made the same one: it stays, and is not ours. */
const THERE_ALREADY = "EEXIST";
/** Somebody else has removed it, or the kernel together with what it belonged to. */
const GONE_ALREADY: ReadonlySet<string> = new Set(["ESRCH", "EADDRNOTAVAIL"]);

export class HostConfig {
  readonly #tables: HostTables;
  readonly #device: Device;
  /** What we made and is still there, by text. */
  readonly #addresses = new Map<string, IpPrefix>();
  readonly #routes = new Map<string, PlannedRoute>();

  constructor(tables: HostTables, device: Device) {
    this.#tables = tables;
    this.#device = device;
  }

  /** Does what is to be done. Gives what the kernel refused, each with what was tried; the next call tries it again. */
  apply(wanted: HostPlan): NetlinkError[] {
    const problems: NetlinkError[] = [];
    try {
      this.#remove(wanted, problems);
      this.#add(wanted, problems);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      problems.push(error);
    }
    return problems;
  }

  #remove(wanted: HostPlan, problems: NetlinkError[]): void {
    const { removeRoutes, removeAddresses } = this.#changes(wanted);
    for (const route of removeRoutes) {
      const code = attempt(() => this.#tables.deleteRoute(this.#device, route), GONE_ALREADY, problems);
      if (code === null || GONE_ALREADY.has(code)) this.#routes.delete(routeText(route));
    }
    for (const address of removeAddresses) {
      const code = attempt(() => this.#tables.deleteAddress(this.#device, address), GONE_ALREADY, problems);
      if (code === null || GONE_ALREADY.has(code)) this.#addresses.delete(prefixText(address));
    }
  }

  /** Looks again first: with an address the kernel removes others of its subnet, and routes, that are still wanted. */
  #add(wanted: HostPlan, problems: NetlinkError[]): void {
    const { addAddresses, addRoutes } = this.#changes(wanted);
    const expected = new Set([THERE_ALREADY]);
    for (const address of addAddresses) {
      const code = attempt(() => this.#tables.addAddress(this.#device, address), expected, problems);
      if (code === null) this.#addresses.set(prefixText(address), address);
    }
    for (const route of addRoutes) {
      const code = attempt(() => this.#tables.addRoute(this.#device, route), expected, problems);
      if (code === null) this.#routes.set(routeText(route), route);
    }
  }

  #changes(wanted: HostPlan) {
    const present = { addresses: this.#tables.addresses(this.#device), routes: this.#tables.routes(this.#device) };
    forgetAbsent(this.#addresses, present.addresses, prefixText);
    forgetAbsent(this.#routes, present.routes, routeText);
    const ours = { addresses: [...this.#addresses.values()], routes: [...this.#routes.values()] };
    return planChanges(present, wanted, ours);
  }
}

/** Null, or the code with which the kernel refused; that is a problem unless it was `expected`. */
function attempt(change: () => void, expected: ReadonlySet<string>, problems: NetlinkError[]): string | null {
  try {
    change();
    return null;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (!expected.has(error.code)) problems.push(error);
    return error.code;
  }
}

/** If somebody makes it again, it is theirs. */
function forgetAbsent<T>(ours: Map<string, T>, present: readonly T[], text: (one: T) => string): void {
  const there = new Set(present.map(text));
  for (const key of ours.keys()) if (!there.has(key)) ours.delete(key);
}
