/**
 * All bonds of a node: made for peers that talk with us and are to be bonded, looked after by the clock, and gone with
 * the last path. Roots are never bonded. Facts: vl1-behaviour.md §8, local-api.md §3 (Bond).
 */
import { ignoreUncounted } from "../node/minor-verbs.ts";
import type { Node } from "../node/node.ts";
import type { Peer } from "../node/peer.ts";
import type { Bonder } from "../node/peer-bond.ts";
import type { Millis, Timed } from "../node/ports.ts";
import type { BondCommands, MtuResult } from "../node/queries.ts";
import type { Handler, Request } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { decodeQosMeasurement } from "../protocol/messages/qos-measurement.ts";
import { Verb } from "../protocol/verbs.ts";
import { Bond } from "./bond.ts";
import { BASE_POLICIES, type BasePolicy, type BondSettings, isBonding, NO_BONDING, policyFor } from "./policy.ts";
import { BondStatistics } from "./statistics.ts";

/** More peers are left unbonded. */
const MAX_BONDS = 1024;
const MIN_MTU = 68;
const MAX_MTU = 65_535;

/** How many there are, at scrape time. */
export interface BondGauges {
  readonly bonds: Readonly<Record<BasePolicy, number>>;
  readonly links: { readonly alive: number; readonly dead: number };
  readonly flows: number;
}

export class Bonds implements Bonder, Timed, BondCommands {
  readonly statistics = new BondStatistics();
  readonly #node: Node;
  readonly #bonds = new Map<Peer, Bond>();
  readonly #drawn = new Uint8Array(4);
  #settings: BondSettings = NO_BONDING;

  constructor(node: Node, settings: BondSettings) {
    this.#node = node;
    node.handlers[Verb.QOS_MEASUREMENT] = this.#handleReport;
    node.timed.push(this);
    this.configure(settings);
  }

  /** True while anybody may be bonded. */
  get active(): boolean {
    return this.#node.bonder === this;
  }

  /** Takes other settings; all bonds are made anew. */
  configure(settings: BondSettings): void {
    for (const { peer } of this.#bonds.values()) peer.bond = undefined;
    this.#bonds.clear();
    this.#settings = settings;
    this.#node.bonder = isBonding(settings) ? this : null;
  }

  heard(request: Request): void {
    const { peer, now } = request;
    const bond = peer.bond === undefined ? this.#make(peer, now) : this.#bonds.get(peer);
    bond?.heard(request);
  }

  #make(peer: Peer, now: Millis): Bond | undefined {
    if (!peer.keptAlive || peer.paths.length === 0 || !this.#mayBond(peer)) return undefined;
    const policy = policyFor(this.#settings, peer.address);
    if (policy === null) return undefined;
    if (this.#bonds.size >= MAX_BONDS) {
      this.statistics.refused++;
      return undefined;
    }
    const bond = new Bond(this.#node, peer, policy, this.statistics, this.#draw, now);
    this.#bonds.set(peer, bond);
    peer.bond = bond;
    return bond;
  }

  #mayBond(peer: Peer): boolean {
    return this.#node.topology.upstream(peer.address) === undefined;
  }

  readonly #draw = (): number => {
    this.#node.ports.random(this.#drawn);
    return new DataView(this.#drawn.buffer).getUint32(0) / 0x1_0000_0000;
  };

  readonly #handleReport: Handler = (node, request) => {
    const bond = this.#bonds.get(request.peer);
    if (bond === undefined) return ignoreUncounted();
    const decoded = decodeQosMeasurement(request.payload);
    if (decoded.ok) return bond.reported(decoded.value.records, request);
    node.drop("malformed");
    return false;
  };

  tick(now: Millis): void {
    for (const [peer, bond] of this.#bonds) {
      if (bond.due > now) continue;
      if (peer.keptAlive && this.#mayBond(peer) && bond.tick(now)) continue;
      peer.bond = undefined;
      this.#bonds.delete(peer);
    }
  }

  nextDeadline(): Millis {
    let least = Number.POSITIVE_INFINITY;
    for (const { due } of this.#bonds.values()) least = Math.min(least, due);
    return least;
  }

  rotate(address: Address, now: Millis): boolean {
    const peer = this.#node.topology.peer(address);
    return (peer !== undefined && this.#bonds.get(peer)?.rotate(now)) ?? false;
  }

  setMtu(mtu: number, device: string, ip: Uint8Array): MtuResult {
    if (!this.active) return "off";
    if (mtu < MIN_MTU || mtu > MAX_MTU) return "unreasonable";
    let found = false;
    for (const bond of this.#bonds.values()) {
      for (const link of bond.links()) {
        if (link.device !== device || !bytesEqual(link.path.endpoint.ip, ip)) continue;
        link.path.mtuBytes = mtu;
        found = true;
      }
    }
    return found ? "done" : "unknown";
  }

  gauges(now: Millis): BondGauges {
    const bonds = Object.fromEntries(BASE_POLICIES.map((base) => [base, 0])) as Record<BasePolicy, number>;
    let [alive, total, flows] = [0, 0, 0];
    for (const bond of this.#bonds.values()) {
      bonds[bond.policy.base]++;
      alive += bond.aliveCount(now);
      total += [...bond.links()].length;
      flows += bond.flows;
    }
    return { bonds, links: { alive, dead: total - alive }, flows };
  }
}
