/**
 * What a running daemon does for its ways through NATs besides what the node does by packets: another secondary port when
 * the present one may be what does not work, and a port that the router forwards.
 * Facts: vl1-behaviour.md §7.
 */
import type { Logger } from "pino";
import type { Config } from "../config/load.ts";
import { now } from "../io/clock.ts";
import type { PortRole } from "../io/local-sockets.ts";
import { PortMapper, type PortMapperStatistics } from "../io/port-mapper.ts";
import type { Transport } from "../io/transport.ts";
import { isOnline } from "../node/keepalive.ts";
import type { Node } from "../node/node.ts";
import { formatAddress } from "../protocol/address.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";

const LOOK_MS = 5000;
/** Offline for so long, or waited for so much longer than it should (the machine slept): another secondary port. */
const OFFLINE_MS = 120_000;
const LATE_MS = 10_000;

export interface NatTraversalOptions {
  readonly config: Config;
  readonly node: Node;
  readonly transport: Transport;
  readonly log: Logger;
}

export class NatTraversal {
  readonly #options: NatTraversalOptions;
  readonly #mapper: PortMapper;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = now();
  #onlineAt = now();
  #portChanges = 0;

  constructor(options: NatTraversalOptions) {
    this.#options = options;
    const { node, transport, log } = options;
    this.#mapper = new PortMapper({
      port: () => portWithRole(transport, "tertiary"),
      addresses: () => {
        const port = portWithRole(transport, "tertiary");
        return transport.sockets().flatMap(({ local }) => (local.port === port ? [local.ip] : []));
      },
      description: (port) => `Orrery/${formatAddress(node.identity.address)}@${port}`,
      changed: (external, protocol) => {
        node.mapped = external === null ? [] : [external];
        if (external === null) log.info("no port is forwarded by the router any more");
        else log.info({ external: formatEndpoint(external), protocol }, "port forwarded by the router");
      },
      now,
    });
  }

  /** Of the router's forwarding. */
  get mapping(): PortMapperStatistics {
    return this.#mapper.statistics;
  }

  /** How often there was another secondary port. */
  get portChanges(): number {
    return this.#portChanges;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    if (portWithRole(this.#options.transport, "tertiary") !== 0) this.#mapper.start();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#mapper.stop();
  }

  #look(): void {
    const { node, config, transport, log } = this.#options;
    const at = now();
    const slept = at - this.#lookedAt > LOOK_MS + LATE_MS;
    this.#lookedAt = at;
    if (isOnline(node, at)) this.#onlineAt = at;
    if (config.listen.secondaryPort !== "auto" || portWithRole(transport, "secondary") === 0) return;
    if (!slept && at - this.#onlineAt < OFFLINE_MS) return;
    this.#onlineAt = at;
    this.#portChanges++;
    transport
      .changePort("secondary")
      .then(() => log.info({ port: portWithRole(transport, "secondary"), slept }, "another secondary port"))
      .catch((error: unknown) => log.warn({ err: error }, "no other secondary port could be had"));
  }
}

/** 0 if there is none. */
export function portWithRole(transport: Transport, wanted: PortRole): number {
  return transport.ports.find(({ role }) => role === wanted)?.port ?? 0;
}
