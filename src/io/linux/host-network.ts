/**
 * What this program changes in the host's network: its own interfaces, their addresses, and routes.
 * Facts: vl2-ethernet.md §7; rtnetlink(7).
 */
import { type Mac, writeMac } from "../../protocol/ethernet.ts";
import { formatIp, type IpPrefix } from "../../protocol/inet-address.ts";
import { type Attribute, attributesOf, Flag, type Netlink, u32Attribute } from "./netlink.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;

const LINK_HEADER_BYTES = 16;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFF_UP = 0x1;
const IFF_MULTICAST = 0x1000;

const ADDRESS_HEADER_BYTES = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;
const IFA_F_PERMANENT = 0x80;

const ROUTE_HEADER_BYTES = 12;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;

/** A route as it is to be in the main table. */
export interface HostRoute {
  readonly target: IpPrefix;
  /** Null: on link. */
  readonly via: Uint8Array | null;
  /** The local address that packets leave with; null lets the kernel choose. */
  readonly source: Uint8Array | null;
  /** Null: the kernel's own. */
  readonly metric: number | null;
}

export class HostNetwork {
  readonly #netlink: Netlink;

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  close(): void {
    this.#netlink.close();
  }

  /** The number of an interface; null if there is none of that name. */
  interfaceIndex(name: string): number | null {
    for (const message of this.#netlink.dump("list interfaces", RTM_GETLINK, new Uint8Array(LINK_HEADER_BYTES))) {
      const bytes = attributesOf(message, LINK_HEADER_BYTES).get(IFLA_IFNAME);
      if (bytes === undefined || new TextDecoder().decode(bytes).replace(/\0.*$/, "") !== name) continue;
      return new DataView(message.body.buffer, message.body.byteOffset).getInt32(4, true);
    }
    return null;
  }

  setMac(index: number, mac: Mac): void {
    const bytes = new Uint8Array(6);
    writeMac(bytes, 0, mac);
    this.#link(index, "set the MAC", 0, 0, [[IFLA_ADDRESS, bytes]]);
  }

  setMtu(index: number, mtu: number): void {
    this.#link(index, "set the MTU", 0, 0, [[IFLA_MTU, u32Attribute(mtu)]]);
  }

  setUp(index: number): void {
    const flags = IFF_UP | IFF_MULTICAST;
    this.#link(index, "bring the interface up", flags, flags, []);
  }

  #link(index: number, what: string, flags: number, change: number, attributes: readonly Attribute[]): void {
    const header = new Uint8Array(LINK_HEADER_BYTES);
    const view = new DataView(header.buffer);
    view.setInt32(4, index, true);
    view.setUint32(8, flags, true);
    view.setUint32(12, change, true);
    this.#netlink.request(what, RTM_NEWLINK, 0, header, attributes);
  }

  /** Permanent, and at once usable: managed addresses are unique, so nobody has to be asked. */
  addAddress(index: number, address: IpPrefix): void {
    this.#netlink.request(
      `add ${formatIp(address.ip)}/${address.bits}`,
      RTM_NEWADDR,
      Flag.CREATE | Flag.REPLACE,
      addressHeader(index, address),
      addressAttributes(address),
    );
  }

  removeAddress(index: number, address: IpPrefix): void {
    this.#netlink.request(
      `remove ${formatIp(address.ip)}/${address.bits}`,
      RTM_DELADDR,
      0,
      addressHeader(index, address),
      addressAttributes(address),
    );
  }

  /** Addresses of an interface, whoever gave them to it. */
  addresses(index: number): IpPrefix[] {
    const found: IpPrefix[] = [];
    for (const message of this.#netlink.dump("list addresses", RTM_GETADDR, new Uint8Array(ADDRESS_HEADER_BYTES))) {
      const { body } = message;
      if (new DataView(body.buffer, body.byteOffset).getUint32(4, true) !== index) continue;
      const attributes = attributesOf(message, ADDRESS_HEADER_BYTES);
      const ip = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
      if (ip !== undefined) found.push({ family: ip.length === 4 ? 4 : 6, ip: new Uint8Array(ip), bits: body[1]! });
    }
    return found;
  }

  /** Throws a NetlinkError with code EEXIST if there is such a route already. */
  addRoute(index: number, route: HostRoute): void {
    const attributes = routeAttributes(index, route);
    const header = routeHeader(route);
    this.#netlink.request(routeName("add", route), RTM_NEWROUTE, Flag.CREATE | Flag.EXCLUSIVE, header, attributes);
  }

  removeRoute(index: number, route: HostRoute): void {
    this.#netlink.request(
      routeName("remove", route),
      RTM_DELROUTE,
      0,
      routeHeader(route),
      routeAttributes(index, route),
    );
  }
}

function addressHeader(index: number, { family, bits }: IpPrefix): Uint8Array {
  const header = new Uint8Array(ADDRESS_HEADER_BYTES);
  header[0] = family === 4 ? AF_INET : AF_INET6;
  header[1] = bits;
  header[2] = IFA_F_PERMANENT | (family === 6 ? IFA_F_NODAD : 0);
  new DataView(header.buffer).setUint32(4, index, true);
  return header;
}

function addressAttributes({ family, ip, bits }: IpPrefix): Attribute[] {
  const attributes: Attribute[] = [
    [IFA_LOCAL, ip],
    [IFA_ADDRESS, ip],
  ];
  if (family === 4 && bits < 31) attributes.push([IFA_BROADCAST, broadcastOf(ip, bits)]);
  return attributes;
}

function broadcastOf(ip: Uint8Array, bits: number): Uint8Array {
  return ip.map((byte, i) => byte | (0xff >> Math.min(Math.max(bits - 8 * i, 0), 8)));
}

function routeHeader({ target, via }: HostRoute): Uint8Array {
  const header = new Uint8Array(ROUTE_HEADER_BYTES);
  header[0] = target.family === 4 ? AF_INET : AF_INET6;
  header[1] = target.bits;
  header[4] = RT_TABLE_MAIN;
  header[5] = RTPROT_STATIC;
  // IPv4 wants to be told that a route without gateway is on link; IPv6 works that out.
  header[6] = via === null && target.family === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header[7] = RTN_UNICAST;
  return header;
}

function routeAttributes(index: number, { target, via, source, metric }: HostRoute): Attribute[] {
  const attributes: Attribute[] = [[RTA_OIF, u32Attribute(index)]];
  if (target.bits > 0) attributes.push([RTA_DST, target.ip]);
  if (via !== null) attributes.push([RTA_GATEWAY, via]);
  if (source !== null) attributes.push([RTA_PREFSRC, source]);
  if (metric !== null) attributes.push([RTA_PRIORITY, u32Attribute(metric)]);
  return attributes;
}

function routeName(verb: string, { target, via }: HostRoute): string {
  const gateway = via === null ? "" : ` via ${formatIp(via)}`;
  return `${verb} route ${formatIp(target.ip)}/${target.bits}${gateway}`;
}
