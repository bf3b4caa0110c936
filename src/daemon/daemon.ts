/**
 * The daemon: puts the parts together for one home directory, starts them in order (peers are remembered before the
 * first datagram is read), and takes them down in reverse. What changes at run time goes through here: reload,
 * events, the probing identity.
 */
import type { Logger } from "pino";
import { ConfigError } from "../config/errors.ts";
import { type Config, diffConfig, type LoadedConfig } from "../config/load.ts";
import { formatLocalConf, withSettings } from "../config/local-conf.ts";
import { useAesEngine } from "../crypto/aes-engine.ts";
import { routesInto } from "../dataplane/peer-table.ts";
import type { Plane } from "../dataplane/plane.ts";
import type { Reactor } from "../dataplane/reactor.ts";
import { type ReloadResult, type ServiceApi, startServiceApi } from "../http/service.ts";
import type { TelemetryListener } from "../http/telemetry-listener.ts";
import type { Identity } from "../identity/identity.ts";
import { IdentityPool } from "../identity/pool.ts";
import { now } from "../io/clock.ts";
import { loadOpensslAes } from "../io/linux/openssl.ts";
import { randomFill } from "../io/random.ts";
import type { Transport } from "../io/transport.ts";
import type { JsonObject } from "../json/json.ts";
import { Node } from "../node/node.ts";
import type { NodePorts } from "../node/ports.ts";
import { NodeViews } from "../node/views.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import { Root } from "../root/root.ts";
import type { Home } from "../store/files.ts";
import { FilePeerCache } from "../store/peer-cache.ts";
import { startingWorlds } from "../store/starting-worlds.ts";
import { logEvent } from "../telemetry/events.ts";
import { liveSource } from "../telemetry/live-source.ts";
import { Metrics, startMetricsFile } from "../telemetry/metrics.ts";
import { adoptFiles } from "./adopt-files.ts";
import { BondingRole } from "./bonding-role.ts";
import { startConsoleRole } from "./console-role.ts";
import {
  type ControllerDatabase,
  type ControllerRole,
  openControllerDatabase,
  startController,
} from "./controller-role.ts";
import { listenAddresses, nodeLimits, physicalRules, serviceConfig } from "./from-config.ts";
import { LeafRole } from "./leaf-role.ts";
import { NatTraversal, portWithRole } from "./nat-traversal.ts";
import { loadProber } from "./prober.ts";
import { preparePlane } from "./sockets.ts";
import { TcpRole } from "./tcp-role.ts";
import { startTelemetryRole } from "./telemetry-role.ts";

/** The machine's addresses are looked at this often, by a root every twelfth time. (The reference: 30 s, bonded 7.5 s.) */
const RESCAN_MS = 2500;
const SCANS_PER_ROOT_SCAN = 12;
/** local.conf is looked at this often (local-api.md §6). */
const LOCAL_CONF_INTERVAL_MS = 10_000;
/** `metrics.prom` is written this often (metrics.md). */
const METRICS_FILE_INTERVAL_MS = 15_000;

export interface DaemonOptions {
  readonly home: Home;
  readonly loaded: LoadedConfig;
  /** Reads the configuration again; throws ConfigError. */
  readonly readConfig: () => LoadedConfig;
  readonly log: Logger;
  /** Of the program, for the build metric. */
  readonly version: string;
}

/** Starts everything. Throws ConfigError, IoError or ListenError; then nothing is left running. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const daemon = new Daemon(options);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  return daemon;
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #home: Home;
  #loaded: LoadedConfig;
  /** What has to be undone, in order of starting. */
  readonly #undo: (() => void | Promise<void>)[] = [];
  /** The probing identity is no peer that anybody wants to see. */
  readonly #hidden = new Set<number>();
  #prober: Identity | null = null;
  #scans = 0;
  #plane!: Plane;
  #transport!: Transport;
  #node!: Node;
  #views!: NodeViews;
  #reactor!: Reactor;
  #controller: ControllerRole | null = null;
  #leaf!: LeafRole;
  #bonding!: BondingRole;
  #nat!: NatTraversal;
  #tcp!: TcpRole;
  #service: ServiceApi | null = null;
  #telemetry: TelemetryListener | null = null;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#home = options.home;
    this.#loaded = options.loaded;
  }

  get node(): NodeViews {
    return this.#views;
  }

  /** The primary UDP port, which is also the service API's TCP port. */
  get port(): number {
    return portWithRole(this.#transport, "primary");
  }

  get listeningOn(): readonly string[] {
    return this.#transport.sockets().map(({ local }) => formatEndpoint(local));
  }

  /** 0 = no telemetry listener. */
  get telemetryPort(): number {
    return this.#telemetry?.port ?? 0;
  }

  get #config(): Config {
    return this.#loaded.config;
  }

  async start(): Promise<void> {
    useAesEngine(loadOpensslAes());
    this.#home.acquirePid();
    this.#undo.push(() => this.#home.releasePid());
    const { identity, planet, moons } = startingWorlds(this.#home);
    const { limits } = this.#config;

    const { cache, peers, warnings } = FilePeerCache.open(this.#home, {
      maxPeers: Math.min(limits.cachePeers, limits.maxPeers),
      now: now(),
      warn: (text) => this.#log.warn({ reason: text }, "peer cache"),
    });
    this.#undo.push(() => cache.close());
    for (const text of [...this.#home.warnings, ...this.#loaded.warnings, ...warnings]) this.#log.warn(text);

    const pool = new IdentityPool({ threads: limits.identityThreads, maxQueued: limits.identityQueue });
    this.#undo.push(() => pool.close());
    const controllerDatabase = await this.#openDatabase();
    const isRoot = [planet, ...moons].some(({ roots }) => roots.some((root) => root.identity.equals(identity)));
    await this.#openTransport(identity, isRoot);
    const metricsRef: { metrics?: Metrics } = {};
    const ports: NodePorts = {
      outbox: this.#tcp.outbox,
      random: randomFill,
      validator: {
        validate: (ticket, unknown) =>
          pool.validate(unknown, (valid) => this.#node.identityValidated(ticket, valid, now())),
      },
      peerCache: {
        put: (peer) => {
          if (!this.#hidden.has(peer.identity.address)) cache.put(peer);
        },
        remove: (address) => cache.remove(address),
      },
      routes: routesInto(this.#plane.table),
      worlds: this.#home.worldStore((error) => this.#log.error({ err: error }, "a world could not be written down")),
      events: (event) => {
        metricsRef.metrics?.observe(event);
        logEvent(this.#log, event);
      },
    };
    this.#node = new Node(
      {
        identity,
        planet,
        moons,
        peers,
        physical: physicalRules(this.#config),
        ...nodeLimits(this.#config),
        now: now(),
      },
      ports,
    );
    const root = new Root(this.#node, limits, this.#plane.pairs);
    this.#views = new NodeViews(this.#node, root, this.#hidden);
    if (controllerDatabase !== null) {
      const program = { log: this.#log, version: this.#options.version, pool };
      this.#controller = await startController(this.#node, controllerDatabase, this.#config.controller, program);
      this.#undo.push(() => this.#controller?.close());
    }
    this.#bonding = new BondingRole(this.#node, this.#config.bonding, this.#transport, this.#log);
    this.#startLeaf(root);
    this.#tcp.attach(this.#node, this.#bonding.bonds);
    this.#reactor = this.#plane.join(this.#node, root);
    this.#reactor.start();
    this.#undo.push(() => this.#reactor.stop());
    this.#leaf.start();
    await this.#tcp.listen(this.#node);
    this.#undo.push(() => this.#tcp.close());
    this.#nat = new NatTraversal({
      config: this.#config,
      node: this.#node,
      transport: this.#transport,
      log: this.#log,
    });
    this.#undo.push(() => this.#nat.close());
    this.#nat.start();

    const metrics = this.#makeMetrics(pool, cache);
    metricsRef.metrics = metrics;
    this.#controller?.tell(metrics);
    await this.#startApi(metrics);
    await this.#startTelemetry(metrics, cache);
    const console = await startConsoleRole(this.#config.console, this.#controller?.v1 ?? null, this.#home, this.#log);
    this.#undo.push(() => console?.close());
    this.#node.socketWatch.look(now());
    this.#every(RESCAN_MS, () => this.#rescan());
    this.#watchLocalConf();
    this.#home.writePort(this.port);
    void loadProber(this.#home, pool, this.#log).then((prober) => {
      this.#prober = prober;
      if (prober !== null) this.#hidden.add(prober.address);
    });
  }

  #startLeaf(root: Root): void {
    this.#leaf = new LeafRole({
      node: this.#node,
      home: this.#home,
      config: this.#config,
      log: this.#log,
      subscribers: root.multicast,
      hurry: () => this.#reactor.hurry(),
      keepToInterfaces: (keep) => this.#bonding.keepToInterfaces(keep),
      turn: this.#plane.turn,
    });
    this.#undo.push(() => this.#leaf.close());
  }

  /** Null if this node is to control no networks. */
  async #openDatabase(): Promise<ControllerDatabase | null> {
    const { controller } = this.#config;
    const opened = controller.enabled ? await openControllerDatabase(this.#home, controller, this.#log) : null;
    this.#undo.push(() => opened?.database.close());
    return opened;
  }

  /** Takes everything down, last started first. What fails is logged, and the rest goes on. */
  async stop(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        this.#log.error({ err: error }, "stopping");
      }
    }
  }

  /** Reads configuration and worlds again. Nothing is applied if anything is wrong. */
  async reload(): Promise<ReloadResult> {
    try {
      const next = this.#options.readConfig();
      const { hot, cold } = diffConfig(this.#config, next.config);
      const worlds = adoptFiles(this.#home, this.#views, this.#log);
      this.#loaded = next;
      await this.#applyHot();
      if (hot.includes("bonding")) this.#bonding.configure(this.#config.bonding);
      const applied = [...hot, ...worlds];
      this.#log.info({ applied, restart: cold }, "reloaded");
      return { ok: true, applied, restart: cold, errors: [] };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const errors = error.describe().split("\n");
      this.#log.error({ errors }, "not reloaded: the configuration is wrong and nothing was changed");
      return { ok: false, applied: [], restart: [], errors };
    }
  }

  async #applyHot(): Promise<void> {
    this.#log.level = this.#config.log.level;
    this.#node.topology.physical = physicalRules(this.#config);
    await this.#transport.reconfigure(listenAddresses(this.#config));
    await this.#service?.setAllowManagementFrom(this.#config.api.allowManagementFrom);
  }

  async #openTransport({ address: self }: Identity, isRoot: boolean): Promise<void> {
    const warn = (text: string, err?: Error) => this.#log.warn({ err }, text);
    this.#plane = await preparePlane({ config: this.#config, self, isRoot, leaf: () => this.#leaf, warn });
    this.#transport = this.#plane.transport;
    this.#undo.push(() => this.#transport.close());
    const { log } = this.#options;
    this.#tcp = new TcpRole(this.#config, this.#transport, log, (datagram) => this.#reactor.deliver(datagram));
    await this.#transport.open(this.#tcp.received);
  }

  #every(intervalMs: number, run: () => Promise<unknown> | undefined): void {
    const timer = setInterval(() => {
      run()?.catch((error: unknown) => this.#log.error({ err: error }, "periodic work"));
    }, intervalMs);
    this.#undo.push(() => clearInterval(timer));
  }

  /** Notices when the machine has got another address, and says so to everybody who is talked to. */
  async #rescan(): Promise<void> {
    if (this.#node.topology.isUpstream && ++this.#scans % SCANS_PER_ROOT_SCAN !== 0) return;
    await this.#transport.rescan();
    if (this.#node.socketWatch.look(now())) this.#reactor.hurry();
  }

  /** Tools of the reference write local.conf and expect that to be noticed (local-api.md §6). */
  #watchLocalConf(): void {
    let seen = this.#home.localConfChangedAt();
    this.#every(LOCAL_CONF_INTERVAL_MS, () => {
      const changed = this.#home.localConfChangedAt();
      if (changed === seen) return undefined;
      seen = changed;
      return this.reload();
    });
  }

  #makeMetrics(pool: IdentityPool, cache: FilePeerCache): Metrics {
    const { limits, telemetry } = this.#config;
    const { version } = this.#options;
    const { identityThreads } = limits;
    const controller = this.#controller?.source ?? null;
    const { bonds } = this.#bonding;
    const parts = { bonds, node: this.#views, plane: this.#plane, pool, identityThreads, cache, controller, version };
    const source = liveSource({
      ...parts,
      nat: this.#nat,
      tcp: this.#tcp,
      leaf: this.#leaf.leaf,
      interfaces: () => this.#leaf.interfaceTraffic(),
    });
    const metrics = new Metrics(source, { peerSeries: telemetry.peerSeries });
    this.#undo.push(() => metrics.stop());
    if (!telemetry.metricsFile) return metrics;
    const stopFile = startMetricsFile(
      metrics,
      async (text) => this.#home.writeMetrics(text),
      METRICS_FILE_INTERVAL_MS,
      (error) => this.#log.warn({ err: error }, "metrics.prom could not be written"),
    );
    this.#undo.push(stopFile);
    return metrics;
  }

  async #startApi(metrics: Metrics): Promise<void> {
    if (!this.#config.api.enabled) return;
    this.#service = await startServiceApi({
      port: this.port,
      tokens: { auth: this.#home.authToken(randomFill), metrics: this.#home.metricsToken(randomFill) },
      allowManagementFrom: this.#config.api.allowManagementFrom,
      onError: (error, request) => this.#log.error({ err: error, ...request }, "service API"),
      onWaiting: ({ message }) => this.#log.warn({ reason: message }, "the service API begins when its port is free"),
      backend: {
        node: this.#views,
        commands: {
          orbit: (id, seed, at) => this.#hurried(this.#views.orbit(id, seed, at)),
          deorbit: (id, at) => this.#hurried(this.#views.deorbit(id, at)),
          adoptWorld: (world, at) => this.#hurried(this.#views.adoptWorld(world, at)),
        },
        now,
        config: () => serviceConfig(this.#loaded, this.#transport, this.#tcp, this.#home.path),
        writeSettings: (patch) => this.#writeSettings(patch),
        metrics: () => metrics.render(),
        reload: () => this.reload(),
        bonds: this.#bonding.bonds,
        networks: this.#leaf,
        controller: this.#controller?.controller ?? null,
        v1: this.#controller?.v1 ?? null,
      },
    });
    this.#undo.push(() => this.#service?.close());
  }

  #hurried<T>(result: T): T {
    this.#reactor.hurry();
    return result;
  }

  async #writeSettings(patch: JsonObject): Promise<void> {
    this.#home.writeLocalConf(formatLocalConf(withSettings(this.#loaded.localConf, patch)));
    await this.reload();
  }

  async #startTelemetry(metrics: Metrics, cache: FilePeerCache): Promise<void> {
    this.#telemetry = await startTelemetryRole(this.#config.telemetry, metrics, {
      node: this.#views,
      prober: () => this.#prober,
      sockets: () => this.#transport.sockets(),
      transport: () => this.#transport.statistics,
      cacheFailing: () => cache.statistics.failing,
    });
    this.#undo.push(() => this.#telemetry?.close());
  }
}
