/** What the edge may ask about joined networks, as plain values. Facts: local-api.md §3 (network object). */
import { ConfigFlag } from "../network/config.ts";
import type { Dns, Route } from "../network/config-blobs.ts";
import type { NetworkId } from "../network/network-id.ts";
import type { Mac, MulticastGroup } from "../protocol/ethernet.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";
import type { LocalSettings } from "./local-settings.ts";
import type { Network, NetworkStatus } from "./network.ts";

export interface NetworkView {
  readonly id: NetworkId;
  readonly name: string;
  readonly status: NetworkStatus;
  readonly isPublic: boolean;
  readonly mac: Mac;
  readonly mtu: number;
  readonly isBridge: boolean;
  readonly broadcast: boolean;
  readonly portError: number;
  readonly revision: bigint;
  /** Of the interface; empty if there is none. */
  readonly deviceName: string;
  /** As the controller sent them. */
  readonly addresses: readonly IpPrefix[];
  readonly routes: readonly Route[];
  readonly groups: readonly MulticastGroup[];
  readonly dns: Dns;
  readonly settings: LocalSettings;
  /** Single sign-on, if the network has it. */
  readonly sso: { readonly url: string; readonly expiry: bigint } | null;
}

const DEFAULT_MTU = 2800;

export function networkView(network: Network, settings: LocalSettings, deviceName: string): NetworkView {
  const { config } = network;
  const sso = config?.sso.enabled === true || network.failure === "AUTHENTICATION_REQUIRED";
  return {
    id: network.id,
    name: config?.name ?? "",
    status: network.status,
    isPublic: config?.isPublic ?? false,
    mac: network.mac,
    mtu: config?.mtu ?? DEFAULT_MTU,
    isBridge: network.isBridge,
    broadcast: network.has(ConfigFlag.BROADCAST),
    portError: network.portError,
    revision: config?.revision ?? 0n,
    deviceName,
    addresses: config?.staticIps ?? [],
    routes: config?.routes ?? [],
    groups: network.subscriptions.own(),
    dns: config?.dns ?? { domain: "", servers: [] },
    settings,
    sso: sso ? { url: network.authenticationUrl, expiry: expiryOf(network) } : null,
  };
}

function expiryOf({ config }: Network): bigint {
  return config?.sso.version === 0 ? config.sso.authenticationExpiry : 0n;
}

/** What the service API and the command line do with networks. */
export interface NetworkMembership {
  /** By id. */
  networks(): NetworkView[];
  network(id: NetworkId): NetworkView | null;
  /**
   * Joins, or changes what is allowed in a network that is joined; settings that are not given stay. Null if there are
   * too many networks.
   */
  join(id: NetworkId, settings: Partial<LocalSettings>): NetworkView | null;
  /** False if it was not joined. */
  leave(id: NetworkId): boolean;
}
