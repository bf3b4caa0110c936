/** Configuration values as an operator reads and writes them. */
import type { BondSettings } from "../bonding/policy.ts";
import { formatAddress } from "../protocol/address.ts";
import { type Endpoint, formatEndpoint, formatIp, type IpPrefix } from "../protocol/inet-address.ts";
import { showBonding } from "./bonding-settings.ts";
import type { ListenAddress, PhysicalSetting, VirtualSetting } from "./values.ts";

export type Shown = null | boolean | number | string | Shown[] | { [key: string]: Shown };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function showPrefix(prefix: IpPrefix): string {
  return `${formatIp(prefix.ip)}/${prefix.bits}`;
}

function showPhysical({ blacklist, trustedPathId, mtu }: PhysicalSetting): Shown {
  return { blacklist, trustedPathId: String(trustedPathId), mtu };
}

function showVirtual(setting: VirtualSetting): Shown {
  return { try: setting.try.map(formatEndpoint), blacklist: setting.blacklist.map(showPrefix) };
}

/** The JSON form of any value of the configuration. */
export function showValue(value: unknown): Shown {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string") {
    return value;
  }
  if (value instanceof Uint8Array) return formatIp(value);
  if (value instanceof Map) {
    const entries = [...value].map(([address, setting]) => [formatAddress(address), showVirtual(setting)] as const);
    return Object.fromEntries(entries);
  }
  if (Array.isArray(value)) {
    const physical = value.every((item) => isRecord(item) && "trustedPathId" in item) && value.length > 0;
    if (!physical) return value.map(showValue);
    return Object.fromEntries(
      (value as PhysicalSetting[]).map((item) => [showPrefix(item.prefix), showPhysical(item)]),
    );
  }
  if (!isRecord(value)) return String(value);
  if ("bits" in value) return showPrefix(value as unknown as IpPrefix);
  if ("defaultPolicy" in value) return showBonding(value as unknown as BondSettings);
  if ("host" in value) return showListen(value as unknown as ListenAddress);
  return formatEndpoint(value as unknown as Endpoint);
}

function showListen({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
