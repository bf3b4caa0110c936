/**
 * Keeps one UDP port of this host reachable through the router in front of it: asks by NAT-PMP, and if that fails by UPnP,
 * renews in time, asks again when the network changes, and takes the mapping back at the end.
 * Facts: vl1-behaviour.md §7 (order, lease, refresh every 300 s).
 */
import { bytesEqual } from "../protocol/bytes.ts";
import { type Endpoint, endpointsEqual, formatIp, IpScope, ipScope } from "../protocol/inet-address.ts";
import { defaultGateway, type Gateway } from "./gateway.ts";
import { type InterfaceAddress, systemAddresses } from "./interfaces.ts";
import {
  MAPPING_PROTOCOLS,
  type Mapping,
  type MappingProtocol,
  type MappingRequest,
  type MappingResult,
} from "./mapping.ts";
import { mapByNatPmp } from "./nat-pmp.ts";
import { mapByUpnp } from "./upnp.ts";

const REFRESH_MS = 300_000;
/** How often it is looked whether the way to the router is another one. */
const LOOK_MS = 15_000;
/** A router that does not answer must not hold up the end of the program. */
const STOP_WAIT_MS = 1500;

/** Where the router is, as seen from us. */
export interface MappingRoute {
  readonly local: Uint8Array;
  /** Null where the system does not tell; then only UPnP can be tried. */
  readonly gateway: Uint8Array | null;
}

/** How routers are asked; tests have their own. */
export type AskRouter = (
  protocol: MappingProtocol,
  route: MappingRoute,
  wanted: MappingRequest,
) => Promise<MappingResult>;

export interface PortMapperOptions {
  /** The port to be forwarded; 0 = none now. */
  readonly port: () => number;
  /** The local addresses on which that port is open. */
  readonly addresses: () => readonly Uint8Array[];
  /** What the router's own pages show of the mapping: plain letters, digits, `/` and `@`. */
  readonly description: (port: number) => string;
  /** The outer address, or null when there is none any more. Told only of changes. */
  readonly changed: (external: Endpoint | null, protocol: MappingProtocol | null) => void;
  readonly now: () => number;
  readonly route?: (addresses: readonly Uint8Array[]) => MappingRoute | null;
  readonly ask?: AskRouter;
}

/** Counters are monotonic. */
export interface PortMapperStatistics {
  /** By which protocol the port is forwarded now; null = it is not. */
  readonly mapped: MappingProtocol | null;
  readonly requests: Readonly<Record<MappingProtocol, { readonly granted: number; readonly refused: number }>>;
  /** Why the last request by each protocol was refused; empty if it was not. */
  readonly refusals: Readonly<Record<MappingProtocol, string>>;
}

/**
 * Our address towards the router: the one on the interface of the default route, or where that is not known the first
 * private one. Null if there is nothing to map: no IPv4, or an address that others reach as it is.
 */
export function findRoute(
  addresses: readonly Uint8Array[],
  gateway: Gateway | null = defaultGateway(),
  all: readonly InterfaceAddress[] = systemAddresses(),
): MappingRoute | null {
  const candidates = addresses.filter((ip) => ip.length === 4 && ipScope(ip) !== IpScope.GLOBAL);
  const there = candidates.find((ip) =>
    all.some((one) => one.name === gateway?.interfaceName && bytesEqual(one.ip, ip)),
  );
  if (gateway !== null && there !== undefined) return { local: there, gateway: gateway.ip };
  const [first] = candidates;
  return gateway !== null || first === undefined ? null : { local: first, gateway: null };
}

export class PortMapper {
  readonly #options: PortMapperOptions;
  readonly #counts = { "nat-pmp": { granted: 0, refused: 0 }, upnp: { granted: 0, refused: 0 } };
  readonly #refusals: Record<MappingProtocol, string> = { "nat-pmp": "", upnp: "" };
  #mapping: Mapping | null = null;
  /** The circumstances that were asked for last, and when to ask again in the same ones. */
  #asked = "";
  #dueAt = 0;
  #round: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: PortMapperOptions) {
    this.#options = options;
  }

  get statistics(): PortMapperStatistics {
    return { mapped: this.#mapping?.protocol ?? null, requests: this.#counts, refusals: this.#refusals };
  }

  /** Asks at once, and looks again from time to time. */
  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.look();
  }

  /** Asks if it is time, or if the port, our address or the router is another one. */
  look(): void {
    this.#round ??= this.#ask().finally(() => {
      this.#round = null;
    });
  }

  /** Ends asking, and takes the mapping back as far as the router answers in time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_WAIT_MS);
    });
    await Promise.race([enough, (this.#round ?? Promise.resolve()).then(() => this.#release())]);
    clearTimeout(timer);
  }

  async #ask(): Promise<void> {
    const { port: portOf, addresses, now, route: routeOf = findRoute } = this.#options;
    const port = portOf();
    const route = port === 0 ? null : routeOf(addresses());
    const circumstances =
      route === null ? "" : `${port} ${formatIp(route.local)} ${route.gateway && formatIp(route.gateway)}`;
    if (this.#stopped || (circumstances === this.#asked && now() < this.#dueAt)) return;
    if (circumstances !== this.#asked) await this.#release();
    this.#asked = circumstances;
    this.#dueAt = now() + REFRESH_MS;
    if (route !== null) this.#take(await this.#askAll(route, port));
    if (this.#stopped) await this.#release();
  }

  /** By the protocol that worked last first. */
  async #askAll(route: MappingRoute, port: number): Promise<Mapping | null> {
    const { ask = this.#askRouter } = this.#options;
    const wanted = { local: route.local, port, wantedPort: this.#mapping?.external.port ?? port };
    const working = this.#mapping?.protocol;
    const order = working === "upnp" ? [...MAPPING_PROTOCOLS].reverse() : MAPPING_PROTOCOLS;
    for (const protocol of order) {
      const result = await ask(protocol, route, wanted);
      const granted = !("refused" in result);
      this.#counts[protocol][granted ? "granted" : "refused"]++;
      this.#refusals[protocol] = granted ? "" : result.refused;
      if (granted) return result;
    }
    return null;
  }

  readonly #askRouter: AskRouter = async (protocol, { gateway }, wanted) => {
    if (protocol === "upnp") return mapByUpnp(wanted, this.#options.description(wanted.port));
    return gateway === null ? { refused: "the gateway is not known" } : mapByNatPmp({ ip: gateway }, wanted);
  };

  #take(mapping: Mapping | null): void {
    const before = this.#mapping?.external ?? null;
    this.#mapping = mapping;
    const after = mapping?.external ?? null;
    const same = before === null || after === null ? before === after : endpointsEqual(before, after);
    if (!same) this.#options.changed(after, mapping?.protocol ?? null);
  }

  async #release(): Promise<void> {
    const mapping = this.#mapping;
    if (mapping === null) return;
    this.#take(null);
    await mapping.remove();
  }
}
