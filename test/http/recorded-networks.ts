/** Joined networks as a recording shows them: joining, settings and leaving are ours, the rest is what was recorded. */
import { DEFAULT_LOCAL_SETTINGS, type LocalSettings } from "../../src/leaf/local-settings.ts";
import type { NetworkMembership, NetworkView } from "../../src/leaf/queries.ts";
import { interfaceName } from "../../src/network/interface-name.ts";
import { MemberMacs } from "../../src/network/mac.ts";
import { type NetworkId, parseNetworkId } from "../../src/network/network-id.ts";
import type { Address } from "../../src/protocol/address.ts";
import { parseMac } from "../../src/protocol/ethernet.ts";
import { parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";

export interface RecordedNetwork {
  readonly id: string;
  readonly name: string;
  readonly status: NetworkView["status"];
  readonly type: "PRIVATE" | "PUBLIC";
  readonly mtu: number;
  readonly bridge: boolean;
  readonly broadcastEnabled: boolean;
  readonly portError: number;
  readonly netconfRevision: number;
  readonly assignedAddresses: readonly string[];
  readonly routes: readonly { target: string; via: string | null; flags: number; metric: number }[];
  readonly multicastSubscriptions: readonly { adi: number; mac: string }[];
  readonly dns: { readonly domain: string; readonly servers: readonly string[] };
}

export class RecordedNetworks implements NetworkMembership {
  readonly #self: Address;
  readonly #views = new Map<NetworkId, NetworkView>();

  constructor(self: Address) {
    this.#self = self;
  }

  /** What the network has come to by then. MAC, interface and settings stay our own. */
  became(recorded: RecordedNetwork): void {
    const view = this.#views.get(parseNetworkId(recorded.id)!);
    if (view === undefined) return;
    this.#views.set(view.id, {
      ...view,
      name: recorded.name,
      status: recorded.status,
      isPublic: recorded.type === "PUBLIC",
      mtu: recorded.mtu,
      isBridge: recorded.bridge,
      broadcast: recorded.broadcastEnabled,
      portError: recorded.portError,
      revision: BigInt(recorded.netconfRevision),
      addresses: recorded.assignedAddresses.map((text) => parsePrefix(text)!),
      routes: recorded.routes.map(({ target, via, flags, metric }) => ({
        target: parsePrefix(target)!,
        via: via === null ? null : parseIp(via)!,
        flags,
        metric,
      })),
      groups: recorded.multicastSubscriptions.map(({ adi, mac }) => ({ adi, mac: parseMac(mac)! })),
      dns: { domain: recorded.dns.domain, servers: recorded.dns.servers.map((text) => parseIp(text)!) },
    });
  }

  networks(): NetworkView[] {
    return [...this.#views.values()];
  }

  network(id: NetworkId): NetworkView | null {
    return this.#views.get(id) ?? null;
  }

  join(id: NetworkId, settings: Partial<LocalSettings>): NetworkView {
    const known = this.#views.get(id) ?? this.#asJoined(id);
    const view = { ...known, settings: { ...known.settings, ...settings } };
    this.#views.set(id, view);
    return view;
  }

  leave(id: NetworkId): boolean {
    return this.#views.delete(id);
  }

  #asJoined(id: NetworkId): NetworkView {
    return {
      id,
      name: "",
      status: "REQUESTING_CONFIGURATION",
      isPublic: false,
      mac: new MemberMacs(id).macOf(this.#self),
      mtu: 2800,
      isBridge: false,
      broadcast: false,
      portError: 0,
      revision: 0n,
      deviceName: interfaceName(id),
      addresses: [],
      routes: [],
      groups: [],
      dns: { domain: "", servers: [] },
      settings: DEFAULT_LOCAL_SETTINGS,
      sso: null,
    };
  }
}
