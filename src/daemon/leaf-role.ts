/**
 * The leaf role of a running daemon: the networks of `networks.d`, their interfaces, and what has to be written down.
 */
import type { Logger } from "pino";
import type { Config } from "../config/load.ts";
import { Taps, type TapTraffic } from "../dataplane/taps.ts";
import { now } from "../io/clock.ts";
import { HostNetwork } from "../io/linux/host-network.ts";
import { type Libc, loadLibc } from "../io/linux/libc.ts";
import { deviceGroups } from "../io/linux/multicast-groups.ts";
import type { Turn } from "../io/turn.ts";
import { takesDefaultRoute } from "../leaf/host-plan.ts";
import { Leaf } from "../leaf/leaf.ts";
import { DEFAULT_LOCAL_SETTINGS, type LocalSettings } from "../leaf/local-settings.ts";
import type { LeafEvent, Subscribers } from "../leaf/ports.ts";
import { type NetworkMembership, type NetworkView, networkView } from "../leaf/queries.ts";
import { formatNetworkId, type NetworkId } from "../network/network-id.ts";
import { isOnline } from "../node/keepalive.ts";
import type { Node } from "../node/node.ts";
import type { Home } from "../store/files.ts";
import { NetworksDirectory } from "../store/networks-directory.ts";
import { type InterfaceHost, NetworkInterface } from "./network-interface.ts";
import { ownMetadata } from "./own-metadata.ts";

/** Interfaces are asked for their multicast groups this often (vl2-ethernet.md §5.1). */
const GROUP_SCAN_INTERVAL_MS = 5000;
/** Routes are looked at again this often (vl2-ethernet.md §7.3). */
const ROUTE_REFRESH_INTERVAL_MS = 30_000;

export interface LeafRoleOptions {
  readonly node: Node;
  readonly home: Home;
  readonly config: Config;
  readonly log: Logger;
  readonly subscribers: Subscribers | null;
  /** The node has something to do sooner than it seemed. */
  readonly hurry: () => void;
  /** As in io/transport.ts. */
  readonly keepToInterfaces: (keep: boolean) => boolean;
  /** Around what interfaces hand on. */
  readonly turn: Turn;
}

/** What passed through all interfaces. */
export interface InterfaceTraffic extends Readonly<TapTraffic> {
  /** Frames that the kernel dropped, because they were not read in time. */
  readonly framesDropped: number;
}

/** Someone in this process who takes part in a network without an interface. */
export type FrameListener = (frame: Uint8Array) => void;

export class LeafRole implements NetworkMembership {
  readonly leaf: Leaf;
  readonly #options: LeafRoleOptions;
  readonly #directory: NetworksDirectory;
  readonly #settings = new Map<NetworkId, LocalSettings>();
  readonly #interfaces = new Map<NetworkId, NetworkInterface>();
  readonly #listeners = new Map<NetworkId, Set<FrameListener>>();
  /** Null where there can be no interfaces, or should be none. */
  readonly #host: InterfaceHost | null;
  readonly #timers: NodeJS.Timeout[] = [];
  /** By interfaces that are no longer there. */
  #droppedBefore = 0;
  #toldOfSockets = false;
  /** When last looked at. */
  #online = false;
  #stopping = false;

  constructor(options: LeafRoleOptions) {
    const { node, home, config, log, subscribers } = options;
    this.#options = options;
    this.#directory = new NetworksDirectory(home.path);
    this.#host = config.leaf.tap ? openHost(log, options.turn) : null;
    this.leaf = new Leaf(
      node,
      {
        maxNetworks: config.leaf.maxNetworks,
        maxMembers: config.leaf.maxMembers,
        maxGroupMembers: config.limits.maxMulticastMembers,
        metadata: ownMetadata(),
        lowBandwidth: config.lowBandwidthMode,
        subscribers,
      },
      { deliver: (id, frame) => this.#deliver(id, frame), events: (event) => this.#happened(event) },
    );
  }

  /** True for the interfaces of our networks: they carry no packets of the node itself. */
  hasInterface(name: string): boolean {
    for (const own of this.#interfaces.values()) if (own.name === name) return true;
    return false;
  }

  /** Joins what was joined when the program last ran. */
  start(): void {
    const warn = (reason: string) => this.#options.log.warn({ reason }, "networks.d");
    for (const { id, dictionary, settings } of this.#directory.load(warn)) {
      this.#settings.set(id, settings);
      this.leaf.join(id, now(), dictionary);
    }
    this.#timers.push(
      setInterval(() => this.#scan(), GROUP_SCAN_INTERVAL_MS),
      setInterval(() => this.#refreshHost(), ROUTE_REFRESH_INTERVAL_MS),
    );
  }

  /** Takes the interfaces down; the networks stay joined for the next start. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const id of [...this.#interfaces.keys()]) this.#closeInterface(id);
    await this.#host?.taps.close();
    this.#host?.host.close();
  }

  networks(): NetworkView[] {
    return [...this.leaf.networks()].map(({ id }) => this.network(id)!).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  network(id: NetworkId): NetworkView | null {
    const network = this.leaf.network(id);
    if (network === undefined) return null;
    return networkView(network, this.#settingsOf(id), this.#interfaces.get(id)?.name ?? "");
  }

  join(id: NetworkId, settings: Partial<LocalSettings>): NetworkView | null {
    if (this.leaf.join(id, now()) === null) return null;
    const next = { ...this.#settingsOf(id), ...settings };
    if (settings.allowManaged !== undefined) Object.assign(next, { managedPrefixes: [] });
    if (Object.keys(settings).length > 0) {
      this.#settings.set(id, next);
      this.#directory.saveSettings(id, next);
      this.#applyToHost(id);
    }
    this.#options.hurry();
    return this.network(id);
  }

  leave(id: NetworkId): boolean {
    return this.leaf.leave(id);
  }

  /** Frames of a network, for code in this process; the returned function ends it. */
  listen(id: NetworkId, listener: FrameListener): () => void {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Null without interfaces. */
  /** Of all interfaces since the start. Null where there can be none. */
  interfaceTraffic(): InterfaceTraffic | null {
    if (this.#host === null) return null;
    let framesDropped = this.#droppedBefore;
    for (const one of this.#interfaces.values()) framesDropped += one.dropped;
    return { ...this.#host.taps.traffic, framesDropped };
  }

  #settingsOf(id: NetworkId): LocalSettings {
    return this.#settings.get(id) ?? DEFAULT_LOCAL_SETTINGS;
  }

  #deliver(id: NetworkId, frame: Uint8Array): void {
    this.#interfaces.get(id)?.write(frame);
    const listeners = this.#listeners.get(id);
    if (listeners === undefined) return;
    for (const listener of listeners) listener(new Uint8Array(frame));
  }

  #happened(event: LeafEvent): void {
    const { networkId: id } = event;
    const { log } = this.#options;
    const network = formatNetworkId(id);
    switch (event.type) {
      case "joined":
        this.#directory.save(id, this.leaf.network(id)?.dictionary ?? null);
        this.#openInterface(id);
        log.info({ network, interface: this.#interfaces.get(id)?.name ?? null }, "network joined");
        break;
      case "configured":
        this.#directory.save(id, event.dictionary);
        this.#applyToHost(id);
        log.info({ network, revision: this.leaf.network(id)?.config?.revision.toString() }, "network configured");
        break;
      case "status":
        log.info({ network, status: event.status }, "network status");
        break;
      case "left":
        this.#closeInterface(id);
        this.#settings.delete(id);
        this.#directory.remove(id);
        log.info({ network }, "network left");
        break;
    }
  }

  #openInterface(id: NetworkId): void {
    const network = this.leaf.network(id);
    if (this.#host === null || network === undefined) return;
    try {
      const name = this.#options.home.interfaceNames().get(id);
      const events = {
        frame: (frame: Uint8Array) => this.leaf.frame(id, frame, now()),
        failed: (error: string) => this.#interfaceFailed(id, error),
      };
      this.#interfaces.set(id, new NetworkInterface(id, network.mac, this.#host, events, name));
      network.portError = 0;
    } catch (error) {
      network.portError = -1;
      this.#options.log.error({ network: formatNetworkId(id), err: error }, "no interface for the network");
    }
  }

  #closeInterface(id: NetworkId): void {
    const own = this.#interfaces.get(id);
    if (own === undefined) return;
    this.#droppedBefore += own.dropped;
    this.#interfaces.delete(id);
    own.close();
    this.#releaseSockets();
  }

  #interfaceFailed(id: NetworkId, error: string): void {
    if (this.#stopping) return;
    this.#closeInterface(id);
    const network = this.leaf.network(id);
    if (network !== undefined) network.portError = -1;
    this.#options.log.error({ network: formatNetworkId(id), reason: error }, "the interface of the network failed");
  }

  /** An interface that could not be made, or was taken away, is made again. */
  #refreshHost(): void {
    for (const { id } of this.leaf.networks()) {
      if (!this.#interfaces.has(id)) this.#openInterface(id);
      this.#applyToHost(id);
    }
  }

  #applyToHost(id: NetworkId): void {
    const config = this.leaf.network(id)?.config;
    const own = this.#interfaces.get(id);
    if (config == null || own === undefined) return;
    const settings = this.#settingsOf(id);
    const allowDefault = settings.allowDefault && this.#mayTakeDefaultRoute();
    own.apply(config, { ...settings, allowDefault }, this.#isOnline());
    this.#releaseSockets();
    this.#scanGroups();
  }

  /** Our own packets must not go the way of a default route that we install. */
  #mayTakeDefaultRoute(): boolean {
    if (!this.#takesDefaultRoute()) return true;
    const may = this.#options.keepToInterfaces(true);
    if (!may && !this.#toldOfSockets) {
      this.#toldOfSockets = true;
      this.#options.log.warn(
        "no default route through a network: the node's own packets would go there, too. Use dataplane.workers (not 0) and no wildcard in listen.bind",
      );
    }
    return may;
  }

  #releaseSockets(): void {
    if (!this.#takesDefaultRoute()) this.#options.keepToInterfaces(false);
  }

  #takesDefaultRoute(): boolean {
    for (const { id, config } of this.leaf.networks()) {
      if (config !== null && takesDefaultRoute(config.routes, this.#settingsOf(id))) return true;
    }
    return false;
  }

  /** Default routes depend on whether the node is online. */
  #scan(): void {
    const wasOnline = this.#online;
    if (this.#isOnline() !== wasOnline) for (const id of this.#interfaces.keys()) this.#applyToHost(id);
    else this.#scanGroups();
  }

  #isOnline(): boolean {
    this.#online = isOnline(this.#options.node, now());
    return this.#online;
  }

  #scanGroups(): void {
    if (this.#interfaces.size === 0) return;
    const macs = deviceGroups();
    for (const [id, own] of this.#interfaces) this.leaf.groups(id, own.groups(macs.get(own.name) ?? []), now());
  }
}

/** Null, with a word in the log, where interfaces cannot be had. */
function openHost(log: Logger, turn: Turn): InterfaceHost | null {
  const libc: Libc | null = loadLibc();
  if (libc === null) {
    log.info("networks are joined without interfaces: this needs Linux on x64 or arm64, and the koffi package");
    return null;
  }
  const onCrash = (error: Error) =>
    log.error({ err: error }, "the thread that reads interfaces died; it is started again");
  const taps = new Taps(libc, onCrash, turn);
  return { taps, host: new HostNetwork(libc), log };
}
