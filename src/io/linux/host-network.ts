/**
 * Links, addresses and routes of this host (of the network namespace of this process), read and changed.
 * Facts: rtnetlink(7); vl2-ethernet.md §7.2 (addresses), §7.3 (routes: main table, static, unicast).
 *
 * | structure | bytes | fields, offset · size |
 * |---|---|---|
 * | ifinfomsg | 16 | 0·1 family, 2·2 type, 4·4 index, 8·4 flags, 12·4 which flags to change |
 * | ifaddrmsg | 8 | 0·1 family, 1·1 prefix length, 2·1 flags, 3·1 scope, 4·4 index |
 * | rtmsg | 12 | 0·1 family, 1·1 target bits, 2·1 source bits, 3·1 TOS, 4·1 table, 5·1 origin, 6·1 scope, 7·1 type, 8·4 flags |
 */
import { type Mac, readMac, writeMac } from "../../protocol/ethernet.ts";
import { formatIp, type IpPrefix } from "../../protocol/inet-address.ts";
import type { Libc } from "./libc.ts";
import { Netlink, NetlinkError, NLM_F_CREATE_EXCLUSIVE } from "./netlink.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const MAC_BYTES = 6;
const IFINFO_BYTES = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_STATS64 = 23;
/** Among the 64-bit counters of rtnl_link_stats64. */
const TX_DROPPED_OFFSET = 7 * 8;
const IFF_UP = 0x1;
const IFF_MULTICAST = 0x1000;

const IFADDR_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;
const IFA_F_PERMANENT = 0x80;

const RT_BYTES = 12;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
/** What a route gets that asks for no metric. */
const DEFAULT_METRIC = { 4: 0, 6: 1024 } as const;
/** IPv4 subnets this small have no broadcast address. */
const SMALLEST_BROADCAST_BITS = 30;

const NO_LINK: readonly number[] = new Array(IFINFO_BYTES).fill(0);

/** A network device. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
  /** Bytes of Ethernet payload. */
  readonly mtu: number;
  readonly mac: Mac;
  /** Frames that were to leave through it and could not; of a TAP, those that nobody read in time. */
  readonly dropped: number;
}

/** What to change of a link; what is left out stays. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mac?: Mac;
  readonly mtu?: number;
}

/** A route through one device, in the main table and of static origin. */
export interface DeviceRoute {
  /** Without host bits. */
  readonly target: IpPrefix;
  /** The gateway; null if the target is on link. */
  readonly via: Uint8Array | null;
  /** null: none was asked for. */
  readonly metric: number | null;
  /** The own address that is preferred as the source of packets to the target. */
  readonly source: Uint8Array | null;
}

/** The device that a call is about: the kernel knows its index, people its name. */
export type Device = Pick<Link, "index" | "name">;

/** All methods throw a NetlinkError that says what was tried. */
export class HostNetwork {
  readonly #netlink: Netlink;

  /** Throws a SystemError if this system has no such sockets. */
  constructor(libc: Libc) {
    this.#netlink = new Netlink(libc);
  }

  close(): void {
    this.#netlink.close();
  }

  /** The device of that name, or null. */
  link(name: string): Link | null {
    const answer = unless("ENODEV", null, () =>
      this.#netlink.get(`look for device ${name}`, RTM_GETLINK, IFINFO_BYTES, (request) =>
        request.begin(NO_LINK).blob(IFLA_IFNAME, text(name)),
      ),
    );
    if (answer === null) return null;
    const isUp = (answer.u32(8) & IFF_UP) !== 0;
    const mac = answer.blob(IFLA_ADDRESS);
    const statistics = answer.blob(IFLA_STATS64);
    return {
      index: answer.u32(4),
      name,
      isUp,
      mtu: answer.number(IFLA_MTU) ?? 0,
      mac: mac?.length === MAC_BYTES ? readMac(mac, 0) : 0,
      dropped: statistics === null ? 0 : u64At(statistics, TX_DROPPED_OFFSET),
    };
  }

  /** Some drivers take a new MAC only while the device is down; a TAP takes it any time. */
  changeLink(device: Device, { up, mac, mtu }: LinkChange): void {
    const wants = [mtu && `mtu ${mtu}`, mac && "its MAC", up !== undefined && (up ? "up" : "down")].filter(Boolean);
    this.#netlink.change(`set ${wants.join(", ")} on ${device.name}`, RTM_NEWLINK, 0, (request) => {
      request.begin(NO_LINK).u32At(4, device.index);
      if (up !== undefined) request.u32At(8, up ? IFF_UP | IFF_MULTICAST : 0).u32At(12, IFF_UP | IFF_MULTICAST);
      if (mac !== undefined) request.blob(IFLA_ADDRESS, macBytes(mac));
      if (mtu !== undefined) request.u32(IFLA_MTU, mtu);
    });
  }

  /** Removes the device, and with it its addresses and routes. */
  deleteLink(device: Device): void {
    this.#netlink.change(`remove device ${device.name}`, RTM_DELLINK, 0, (request) =>
      request.begin(NO_LINK).u32At(4, device.index),
    );
  }

  /** The addresses of a device, whoever gave them to it. */
  addresses(device: Device): IpPrefix[] {
    const body = new Array(IFADDR_BYTES).fill(0);
    const answers = this.#netlink.list(`list the addresses of ${device.name}`, RTM_GETADDR, IFADDR_BYTES, (request) =>
      request.begin(body).u32At(4, device.index),
    );
    const found: IpPrefix[] = [];
    for (const answer of answers) {
      const ip = answer.blob(IFA_LOCAL) ?? answer.blob(IFA_ADDRESS);
      const family = familyOf(answer.u8(0));
      if (answer.type !== RTM_NEWADDR || answer.u32(4) !== device.index || ip === null || family === null) continue;
      found.push({ family, ip, bits: answer.u8(1) });
    }
    return found;
  }

  /**
   * Gives the device an address, with its broadcast address (IPv4) and the route to its subnet that the kernel adds.
   * IPv6 addresses are used at once: the controller assigns them, and a route cannot prefer an address that is still
   * being looked for. EEXIST if the device has it.
   */
  addAddress(device: Device, prefix: IpPrefix): void {
    const action = `add address ${formatPrefix(prefix)} to ${device.name}`;
    this.#netlink.change(action, RTM_NEWADDR, NLM_F_CREATE_EXCLUSIVE, (request) => {
      const flags = IFA_F_PERMANENT | (prefix.family === 6 ? IFA_F_NODAD : 0);
      request.begin([systemFamily(prefix), prefix.bits, flags, RT_SCOPE_UNIVERSE, 0, 0, 0, 0]).u32At(4, device.index);
      request.blob(IFA_LOCAL, prefix.ip).blob(IFA_ADDRESS, prefix.ip);
      const broadcast = broadcastOf(prefix);
      if (broadcast !== null) request.blob(IFA_BROADCAST, broadcast);
    });
  }

  /** EADDRNOTAVAIL if the device does not have it. */
  deleteAddress(device: Device, prefix: IpPrefix): void {
    const action = `remove address ${formatPrefix(prefix)} from ${device.name}`;
    this.#netlink.change(action, RTM_DELADDR, 0, (request) =>
      request
        .begin([systemFamily(prefix), prefix.bits, 0, 0, 0, 0, 0, 0])
        .u32At(4, device.index)
        .blob(IFA_LOCAL, prefix.ip)
        .blob(IFA_ADDRESS, prefix.ip),
    );
  }

  /** The static routes of the main table that lead through a device, whoever made them. */
  routes(device: Device): DeviceRoute[] {
    return ([4, 6] as const).flatMap((family) => this.#routes(device, family));
  }

  /** Makes a route. EEXIST if there is one with its target and metric, whoever made it: that one stays as it is. */
  addRoute(device: Device, route: DeviceRoute): void {
    const action = `add route ${formatRoute(route)} to ${device.name}`;
    this.#changeRoute(action, RTM_NEWROUTE, NLM_F_CREATE_EXCLUSIVE, device, route);
  }

  /** ESRCH if there is none such. */
  deleteRoute(device: Device, route: DeviceRoute): void {
    this.#changeRoute(`remove route ${formatRoute(route)} from ${device.name}`, RTM_DELROUTE, 0, device, route);
  }

  #routes(device: Device, family: 4 | 6): DeviceRoute[] {
    const start = [systemFamily({ family }), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, 0, 0, 0, 0, 0];
    // A host that never had a route of a family has no table for it.
    const answers = unless("ENOENT", [], () =>
      this.#netlink.list(`list the routes of ${device.name}`, RTM_GETROUTE, RT_BYTES, (request) =>
        request.begin(start).u32(RTA_OIF, device.index),
      ),
    );
    const found: DeviceRoute[] = [];
    for (const answer of answers) {
      if (answer.type !== RTM_NEWROUTE || answer.u8(4) !== RT_TABLE_MAIN || answer.u8(5) !== RTPROT_STATIC) continue;
      if (answer.number(RTA_OIF) !== device.index || familyOf(answer.u8(0)) !== family) continue;
      const ip = answer.blob(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16);
      const metric = answer.number(RTA_PRIORITY) ?? 0;
      found.push({
        target: { family, ip, bits: answer.u8(1) },
        via: answer.blob(RTA_GATEWAY),
        metric: metric === DEFAULT_METRIC[family] ? null : metric,
        source: answer.blob(RTA_PREFSRC),
      });
    }
    return found;
  }

  #changeRoute(action: string, type: number, flags: number, device: Device, route: DeviceRoute): void {
    const { target, via, metric, source } = route;
    this.#netlink.change(action, type, flags, (request) => {
      const family = systemFamily(target);
      // A gateway of IPv4 must be reached by a route of link scope; IPv6 does not care.
      const scope = via === null && target.family === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
      const kind = [RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST];
      request.begin([family, target.bits, 0, 0, ...kind, 0, 0, 0, 0]).blob(RTA_DST, target.ip);
      if (via !== null) request.blob(RTA_GATEWAY, via);
      if (source !== null) request.blob(RTA_PREFSRC, source);
      request.u32(RTA_OIF, device.index);
      if (metric !== null) request.u32(RTA_PRIORITY, metric);
    });
  }
}

/** What `ask` gives, or `otherwise` if the kernel refuses it with `code`. */
function unless<T>(code: string, otherwise: T, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof NetlinkError && error.code === code) return otherwise;
    throw error;
  }
}

function u64At(bytes: Uint8Array, offset: number): number {
  if (bytes.length < offset + 8) return 0;
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(offset, true));
}

function text(name: string): Uint8Array {
  return new TextEncoder().encode(`${name}\0`);
}

function macBytes(mac: Mac): Uint8Array {
  const bytes = new Uint8Array(MAC_BYTES);
  writeMac(bytes, 0, mac);
  return bytes;
}

function systemFamily({ family }: Pick<IpPrefix, "family">): number {
  return family === 4 ? AF_INET : AF_INET6;
}

function familyOf(family: number): 4 | 6 | null {
  return family === AF_INET ? 4 : family === AF_INET6 ? 6 : null;
}

/** The highest address of an IPv4 subnet; null if it has no broadcast address. */
function broadcastOf({ family, ip, bits }: IpPrefix): Uint8Array | null {
  if (family !== 4 || bits > SMALLEST_BROADCAST_BITS) return null;
  return ip.map((byte, i) => byte | (0xff >> Math.min(Math.max(bits - 8 * i, 0), 8)));
}

function formatPrefix({ ip, bits }: IpPrefix): string {
  return `${formatIp(ip)}/${bits}`;
}

function formatRoute({ target, via }: DeviceRoute): string {
  return via === null ? formatPrefix(target) : `${formatPrefix(target)} via ${formatIp(via)}`;
}
