/**
 * Bonds of a running daemon: their settings, and sockets that keep to their interfaces, without which two uplinks would
 * be one as soon as the routes say so. Facts: vl1-behaviour.md §8.
 */
import type { Logger } from "pino";
import { Bonds } from "../bonding/bonds.ts";
import { type BondSettings, unknownPolicies } from "../bonding/policy.ts";
import type { Transport } from "../io/transport.ts";
import type { Node } from "../node/node.ts";

export class BondingRole {
  readonly bonds: Bonds;
  readonly #transport: Transport;
  readonly #log: Logger;
  /** A network's default route asks for it (leaf-role.ts). */
  #askedToKeep = false;

  constructor(node: Node, settings: BondSettings, transport: Transport, log: Logger) {
    this.#transport = transport;
    this.#log = log;
    this.bonds = new Bonds(node, settings);
    this.#applied(settings);
  }

  /** Takes settings that have changed. */
  configure(settings: BondSettings): void {
    this.bonds.configure(settings);
    this.#applied(settings);
  }

  #applied(settings: BondSettings): void {
    for (const name of unknownPolicies(settings)) {
      this.#log.warn({ policy: name }, "bonding: there is no policy of that name, so it is not used");
    }
    const kept = this.#transport.keepToInterfaces(this.#askedToKeep || this.bonds.active);
    if (this.bonds.active && !kept) {
      this.#log.warn(
        "bonding: packets leave as the routes say, not by the interface of their link. Use dataplane.workers (not 0) and no wildcard in listen.bind",
      );
    }
  }

  /** As `Transport.keepToInterfaces`, for whoever else needs it. */
  keepToInterfaces(keep: boolean): boolean {
    this.#askedToKeep = keep;
    return this.#transport.keepToInterfaces(keep || this.bonds.active);
  }
}
