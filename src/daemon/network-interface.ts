/**
 * The interface of one joined network on this host: a TAP device, with the addresses, routes, MTU and DNS servers that
 * the network says and the host allows. Facts: vl2-ethernet.md §7.
 */
import type { Logger } from "pino";
import type { Tap, TapEvents, Taps } from "../dataplane/taps.ts";
import type { Device, HostNetwork } from "../io/linux/host-network.ts";
import { wantedGroups } from "../io/linux/multicast-groups.ts";
import { NetlinkError } from "../io/linux/netlink.ts";
import { type DnsState, LinkDns } from "../io/linux/resolved.ts";
import { planHost } from "../leaf/host-plan.ts";
import type { LocalSettings } from "../leaf/local-settings.ts";
import type { NetworkConfig } from "../network/config.ts";
import { freeInterfaceName } from "../network/interface-name.ts";
import { DEFAULT_MTU } from "../network/limits.ts";
import { formatNetworkId, type NetworkId } from "../network/network-id.ts";
import type { Mac, MulticastGroup } from "../protocol/ethernet.ts";
import { formatIp, type IpPrefix } from "../protocol/inet-address.ts";
import { HostConfig } from "./host-config.ts";

/** What interfaces are made with. */
export interface InterfaceHost {
  readonly taps: Taps;
  readonly host: HostNetwork;
  readonly log: Logger;
}

/** What a configuration says about the host. */
export type HostSettings = Pick<NetworkConfig, "mtu" | "staticIps" | "routes" | "dns">;

export class NetworkInterface {
  readonly #parts: InterfaceHost;
  readonly #log: Logger;
  readonly #device: Device;
  readonly #tap: Tap;
  readonly #config: HostConfig;
  readonly #dns: LinkDns;
  /** As the kernel said when last asked. */
  #dropped = 0;
  /** What went wrong the last time, so that each trouble is told once and not every time it is met. */
  #troubles = new Set<string>();

  /**
   * `preferredName` is what the device map says. Throws a TapError or a NetlinkError; then nothing is left behind.
   */
  constructor(id: NetworkId, mac: Mac, parts: InterfaceHost, events: TapEvents, preferredName?: string) {
    const { taps, host } = parts;
    this.#parts = parts;
    const name = freeInterfaceName(id, preferredName, (one) => host.link(one) !== null);
    if (name === null) throw new Error("every name for the interface is taken: remove interfaces that nobody uses");
    this.#log = parts.log.child({ network: formatNetworkId(id), interface: name });
    this.#tap = taps.open(name, events);
    try {
      const index = host.link(name)?.index ?? 0;
      this.#device = { index, name };
      host.changeLink(this.#device, { mac, mtu: DEFAULT_MTU, up: true });
    } catch (error) {
      this.#tap.close();
      throw error;
    }
    this.#config = new HostConfig(host, this.#device);
    this.#dns = new LinkDns(name, (state) => this.#tellDns(state));
  }

  get name(): string {
    return this.#device.name;
  }

  /** Whether the network's name servers are in use. */
  get dns(): DnsState {
    return this.#dns.state;
  }

  /** A frame for the host. */
  write(frame: Uint8Array): boolean {
    return this.#tap.write(frame);
  }

  /**
   * Brings addresses, routes, MTU and DNS to what they should be, whatever has become of them. What fails is logged,
   * and tried again the next time.
   */
  apply(config: HostSettings, settings: LocalSettings, online: boolean): void {
    const problems = this.#applyMtu(config.mtu);
    problems.push(...this.#config.apply(planHost(config, settings, online)));
    this.#tell(problems);
    const { domain, servers } = config.dns;
    this.#dns.set(domain, settings.allowDns ? servers.map(formatIp) : []);
  }

  /**
   * The groups it wants to hear: `macs`, which are the kernel's link-layer groups of this interface, and those of its
   * addresses, whoever gave them to it.
   */
  groups(macs: readonly Mac[]): MulticastGroup[] {
    return wantedGroups(macs, this.#addresses());
  }

  /** Frames of the host that the kernel dropped, because they were not read in time. */
  get dropped(): number {
    try {
      this.#dropped = this.#parts.host.link(this.name)?.dropped ?? this.#dropped;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
    }
    return this.#dropped;
  }

  /**
   * Takes the interface away, at once; the kernel takes its addresses and routes with it, and systemd-resolved its
   * servers.
   */
  close(): void {
    this.#tap.close();
    try {
      this.#parts.host.deleteLink(this.#device);
    } catch (error) {
      // It goes with its descriptor, anyway.
      if (!(error instanceof NetlinkError)) throw error;
    }
  }

  /** None if the interface is gone: whoever reads it notices that, too. */
  #addresses(): IpPrefix[] {
    try {
      return this.#parts.host.addresses(this.#device);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return [];
    }
  }

  #applyMtu(mtu: number): NetlinkError[] {
    const { host } = this.#parts;
    try {
      if (host.link(this.name)?.mtu !== mtu) host.changeLink(this.#device, { mtu });
      return [];
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      return [error];
    }
  }

  #tell(problems: readonly NetlinkError[]): void {
    for (const err of problems) {
      if (!this.#troubles.has(err.message)) this.#log.warn({ err }, "the host's network could not be changed");
    }
    this.#troubles = new Set(problems.map(({ message }) => message));
  }

  #tellDns(state: DnsState): void {
    if (state.is === "failed") this.#log.warn({ reason: state.reason }, "the network's DNS servers are not in use");
    else if (state.is === "applied") {
      this.#log.info({ domain: state.domain, servers: state.servers }, "the network's DNS servers are in use");
    } else if (state.is === "none") this.#log.info("the network's DNS servers are no longer in use");
  }
}
