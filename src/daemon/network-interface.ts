/**
 * The interface of one joined network on this host: a TAP device, with the addresses, routes, MTU and DNS servers that
 * the network says and the host allows. Facts: vl2-ethernet.md §7.
 */
import type { Logger } from "pino";
import type { Tap, TapEvents, Taps } from "../dataplane/taps.ts";
import type { HostNetwork } from "../io/linux/host-network.ts";
import { wantedGroups } from "../io/linux/multicast-groups.ts";
import { NetlinkError } from "../io/linux/netlink.ts";
import { setLinkDns } from "../io/linux/resolved.ts";
import {
  type HostPlan,
  NOTHING_PLANNED,
  type PlannedRoute,
  planHost,
  prefixText,
  routeText,
} from "../leaf/host-plan.ts";
import type { LocalSettings } from "../leaf/local-settings.ts";
import type { NetworkConfig } from "../network/config.ts";
import { interfaceName } from "../network/interface-name.ts";
import { DEFAULT_MTU } from "../network/limits.ts";
import { formatNetworkId, type NetworkId } from "../network/network-id.ts";
import type { Mac, MulticastGroup } from "../protocol/ethernet.ts";
import { formatIp, type IpPrefix } from "../protocol/inet-address.ts";

/** Names that are tried before giving up. */
const MAX_NAME_TRIALS = 16;

/** What interfaces are made with. */
export interface InterfaceHost {
  readonly taps: Taps;
  readonly host: HostNetwork;
  readonly log: Logger;
}

export class NetworkInterface {
  readonly name: string;
  readonly #id: NetworkId;
  readonly #index: number;
  readonly #tap: Tap;
  readonly #parts: InterfaceHost;
  #mtu = DEFAULT_MTU;
  #plan: HostPlan = NOTHING_PLANNED;
  /** Of the plan, what really is there because we put it there. */
  readonly #addresses = new Map<string, IpPrefix>();
  readonly #routes = new Map<string, PlannedRoute>();
  #dns = "";

  /** Throws a TapError or a NetlinkError; then nothing is left behind. `preferredName` is what a devicemap says. */
  constructor(id: NetworkId, mac: Mac, parts: InterfaceHost, events: TapEvents, preferredName: string | null = null) {
    this.#id = id;
    this.#parts = parts;
    this.name = freeName(id, parts.host, preferredName);
    this.#tap = parts.taps.open(this.name, events);
    try {
      this.#index = parts.host.interfaceIndex(this.name) ?? 0;
      parts.host.setMac(this.#index, mac);
      parts.host.setMtu(this.#index, this.#mtu);
      parts.host.setUp(this.#index);
    } catch (error) {
      this.#tap.close();
      throw error;
    }
  }

  /** A frame for the host. */
  write(frame: Uint8Array): boolean {
    return this.#tap.write(frame);
  }

  /** Brings addresses, routes, MTU and DNS to what they should be; what fails is logged, and tried again next time. */
  apply(config: NetworkConfig, settings: LocalSettings, online: boolean): void {
    if (config.mtu !== this.#mtu && this.#try(() => this.#parts.host.setMtu(this.#index, config.mtu))) {
      this.#mtu = config.mtu;
    }
    this.#plan = planHost(config, settings, online);
    this.#applyAddresses();
    this.#applyRoutes();
    this.#applyDns(config, settings);
  }

  /** Addresses it has now, whoever gave them to it. */
  addresses(): IpPrefix[] {
    return this.#parts.host.addresses(this.#index);
  }

  /** The groups it wants to hear; `macs` are the kernel's link-layer groups of this interface. */
  groups(macs: readonly Mac[]): MulticastGroup[] {
    return wantedGroups(macs, this.addresses());
  }

  /** Takes the interface away; the kernel takes its addresses and routes with it. */
  close(): void {
    this.#tap.close();
  }

  #applyAddresses(): void {
    const { host } = this.#parts;
    const wanted = new Map(this.#plan.addresses.map((address) => [prefixText(address), address]));
    for (const [text, address] of this.#addresses) {
      if (!wanted.has(text) && this.#try(() => host.removeAddress(this.#index, address))) this.#addresses.delete(text);
    }
    for (const [text, address] of wanted) {
      if (this.#addresses.has(text)) continue;
      if (this.#try(() => host.addAddress(this.#index, address))) this.#addresses.set(text, address);
    }
  }

  #applyRoutes(): void {
    const { host } = this.#parts;
    const wanted = new Map(this.#plan.routes.map((route) => [routeText(route), route]));
    for (const [text, route] of this.#routes) {
      if (wanted.has(text)) continue;
      this.#try(() => host.removeRoute(this.#index, route), "ESRCH");
      this.#routes.delete(text);
    }
    for (const [text, route] of wanted) {
      if (this.#routes.has(text)) continue;
      // A route that is there already is somebody else's, and stays.
      if (this.#try(() => host.addRoute(this.#index, route), "EEXIST")) this.#routes.set(text, route);
    }
  }

  /** True if it worked; an error with the code `expected` is none worth telling. */
  #try(change: () => void, expected = ""): boolean {
    try {
      change();
      return true;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (error.code !== expected) {
        const network = formatNetworkId(this.#id);
        this.#parts.log.warn({ network, interface: this.name, err: error }, "the host's network could not be changed");
      }
      return false;
    }
  }

  /** Split DNS by systemd-resolved, where there is one: only names inside the network's domain are asked there. */
  #applyDns({ dns }: NetworkConfig, settings: LocalSettings): void {
    const servers = settings.allowDns && dns.domain !== "" ? dns.servers.map(formatIp) : [];
    const wanted = servers.length === 0 ? "" : `${dns.domain} ${servers.join(" ")}`;
    if (wanted === this.#dns) return;
    this.#dns = wanted;
    const network = formatNetworkId(this.#id);
    setLinkDns(this.name, dns.domain, servers, (reason) =>
      this.#parts.log.warn({ network, reason }, "the network's DNS servers could not be set: no systemd-resolved here"),
    );
  }
}

function freeName(id: NetworkId, host: HostNetwork, preferred: string | null): string {
  if (preferred !== null && host.interfaceIndex(preferred) === null) return preferred;
  for (let trial = 0; trial < MAX_NAME_TRIALS; trial++) {
    const name = interfaceName(id, trial);
    if (host.interfaceIndex(name) === null) return name;
  }
  return interfaceName(id, MAX_NAME_TRIALS);
}
