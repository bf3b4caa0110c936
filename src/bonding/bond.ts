/**
 * A bond: the paths to one peer as links, which of them a packet takes, whether each still works, and what both sides
 * tell one another about them. Facts: vl1-behaviour.md §8, vl1-packets.md §5.18.
 */
import type { Node } from "../node/node.ts";
import { type Path, pathKey } from "../node/path.ts";
import type { Peer } from "../node/peer.ts";
import type { PeerBond } from "../node/peer-bond.ts";
import type { LocalSocket, Millis } from "../node/ports.ts";
import type { BondView, LinkView } from "../node/queries.ts";
import type { Request } from "../node/request.ts";
import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { type Endpoint, endpointKey } from "../protocol/inet-address.ts";
import { encodeQosMeasurement, type QosRecord } from "../protocol/messages/qos-measurement.ts";
import { Verb } from "../protocol/verbs.ts";
import { ActiveBackup } from "./active-backup.ts";
import { BalanceAware, BalanceXor, Broadcast, type Draw, RoundRobin } from "./balance.ts";
import { carriesFrame } from "./flow.ts";
import { Link, linkKey, mayBeLink } from "./link.ts";
import { LinkSet } from "./link-set.ts";
import { type BondPolicy, DEFAULT_LINK, POLICY_CODES } from "./policy.ts";
import { RecentIds } from "./recent-ids.ts";
import type { Selector } from "./selector.ts";
import type { BondStatistics } from "./statistics.ts";

/** A link is asked when it was silent for a third of the failover interval; looked at four times as often. */
const MONITOR_SHARE = 3;
const LOOKS_PER_MONITOR = 4;
const MIN_LOOK_MS = 100;
/** The other side answers no more often on one path (ECHO gate). */
const MIN_PROBE_MS = 170;
/** A link of which nothing was measured for so long is asked, too. */
const MEASURE_MS = 5000;
/** Ways that are no path yet (another of our addresses, another of the peer's) are tried so often, so many at once. */
const EXPLORE_MS = 15_000;
const MAX_EXPLORED = 16;
/** What the settings ask for is kept within what a frame can be cut into. */
const MIN_LINK_MTU = 576;
const MAX_LINK_MTU = 10_324;
/** Reports: no more than 128 in a time in which two are expected. */
const REPORT_WINDOW_MS = 156;
const MAX_REPORTS = 128;

export class Bond implements PeerBond {
  readonly peer: Peer;
  readonly policy: BondPolicy;
  /** When `tick` wants to be called next. */
  due: Millis;
  readonly #node: Node;
  readonly #statistics: BondStatistics;
  readonly #links: LinkSet;
  readonly #selector: Selector;
  readonly #recent = new RecentIds();
  #nextExplore: Millis;
  #nextEstimate: Millis;
  #explored = 0;
  #reportWindow: Millis = 0;
  #reports = 0;

  constructor(node: Node, peer: Peer, policy: BondPolicy, statistics: BondStatistics, draw: Draw, now: Millis) {
    this.#node = node;
    this.peer = peer;
    this.policy = policy;
    this.#statistics = statistics;
    this.#links = new LinkSet(policy);
    this.#selector = selectorFor(policy, this.#links, statistics, draw);
    this.due = now;
    this.#nextExplore = now;
    this.#nextEstimate = now + 2 * policy.failoverMs;
    this.#sync(now);
    this.#links.review(now);
  }

  route(verb: number, payload: Uint8Array, now: Millis): Path | null {
    return this.#selector.pick(verb, payload, now)?.path ?? null;
  }

  get copies(): readonly Path[] {
    return this.#selector.copies;
  }

  sent(path: Path, packet: Uint8Array, now: Millis): void {
    this.#links.ofPath(path.key)?.measured.sent(packet, now);
  }

  mtu(path: Path): number {
    const mtu = path.mtuBytes || (this.#links.ofPath(path.key)?.settings.mtu ?? 0);
    return mtu === 0 ? 0 : Math.min(Math.max(mtu, MIN_LINK_MTU), MAX_LINK_MTU);
  }

  admits({ verb, packetId }: Request): boolean {
    if (!carriesFrame(verb) || this.#recent.add(packetId)) return true;
    this.#statistics.duplicates++;
    return false;
  }

  /** An authenticated packet of the peer came straight from it. */
  heard(request: Request): void {
    const { verb, payload, packetId, answers, now } = request;
    const link = this.#links.ofPath(request.pathKey) ?? this.#adopt(request.pathKey, now);
    if (link === null) return;
    if (answers !== undefined) {
      const probe = this.peer.findProbe(answers, endpointKey(request.from));
      if (probe !== undefined) link.measured.answered(now - probe.at);
    }
    if (carriesFrame(verb)) {
      if (link.chosenByPeer?.key !== request.pathKey) {
        link.chosenByPeer = this.peer.findPath(request.pathKey)?.path ?? null;
      }
      this.#selector.frameCame(link, verb, payload, now);
    }
    if (verb === Verb.QOS_MEASUREMENT || verb === Verb.ACK) return;
    if (link.measured.arrived(packetId, now)) this.#report(link, now);
  }

  /** What the peer tells of our packets; false if it tells too much. */
  reported(records: readonly QosRecord[], { pathKey: key, now }: Request): boolean {
    if (now - this.#reportWindow >= REPORT_WINDOW_MS) {
      this.#reportWindow = now;
      this.#reports = 0;
    }
    if (++this.#reports > MAX_REPORTS) {
      this.#statistics.reportsRefused++;
      return false;
    }
    this.#statistics.reportsIn++;
    this.#links.ofPath(key)?.measured.reported(records, now);
    return true;
  }

  /** False when there is nothing left to bond. */
  tick(now: Millis): boolean {
    this.due = now + Math.max(this.#monitorMs / LOOKS_PER_MONITOR, MIN_LOOK_MS);
    this.#sync(now);
    if (this.#links.size === 0) return false;
    this.#links.review(now);
    for (const link of this.#links.all()) this.#look(link, now);
    if (now >= this.#nextEstimate) {
      this.#nextEstimate = now + 2 * this.policy.failoverMs;
      for (const link of this.#links.all()) link.measured.estimate(now);
    }
    this.#selector.review(now);
    if (now >= this.#nextExplore) {
      this.#nextExplore = now + EXPLORE_MS;
      this.#explore(now);
    }
    return true;
  }

  get #monitorMs(): number {
    return this.policy.failoverMs / MONITOR_SHARE;
  }

  /** Links are made of the peer's paths, where settings allow them. */
  #sync(now: Millis): void {
    const sockets = new Map(this.#node.ports.outbox.sockets().map((socket) => [socket.id, socket]));
    const known = new Set<Path>();
    const open = new Map<Link, [Path, LocalSocket][]>();
    this.#links.forgetPaths();
    for (const { path, lastReceive } of this.peer.paths) {
      if (now - lastReceive >= PATH_EXPIRATION_MS && lastReceive > 0) continue;
      known.add(path);
      const socket = sockets.get(path.socket);
      const link = socket === undefined ? null : this.#join(path, socket, now);
      if (link === null || socket === undefined) continue;
      const paths = open.get(link);
      if (paths === undefined) open.set(link, [[path, socket]]);
      else paths.push([path, socket]);
    }
    for (const link of this.#links.all()) {
      const paths = open.get(link);
      link.socketIsOpen = paths !== undefined;
      if (paths !== undefined) link.choosePath(paths, now, this.policy.failoverMs);
      else if (!known.has(link.path)) this.#links.remove(link);
    }
  }

  /** The link of a path that came between two looks; null if it may not be one. */
  #adopt(key: string, now: Millis): Link | null {
    const path = this.peer.findPath(key)?.path;
    const socket = this.#node.ports.outbox.sockets().find(({ id }) => id === path?.socket);
    return path === undefined || socket === undefined ? null : this.#join(path, socket, now);
  }

  /** Counts a path to its link, which is made if there is none. */
  #join(path: Path, socket: LocalSocket, now: Millis): Link | null {
    if (!mayBeLink(this.#settings(socket.device), path.endpoint.family)) return null;
    const known = this.#links.get(linkKey(socket, path.endpoint));
    const link = known ?? new Link(path, socket, this.policy, now);
    if (known === undefined) this.#links.add(link);
    this.#links.assign(path.key, link);
    return link;
  }

  #settings(device: string | null | undefined) {
    return this.policy.links.get(device ?? "") ?? DEFAULT_LINK;
  }

  /** Asks a silent link whether it works, and tells what came on it. */
  #look(link: Link, now: Millis): void {
    const { path, measured } = link;
    const alive = link.isAlive(now, this.policy.failoverMs);
    const patience = alive ? Math.max(this.#monitorMs / 2, MIN_PROBE_MS) : this.policy.failoverMs;
    const silent = now - path.lastIn >= this.#monitorMs && now - link.lastProbe >= patience;
    // A busy link would never be asked, and a peer that does not bond never tells how it is.
    const unmeasured = now - Math.max(link.lastProbe, measured.lastReportIn) >= MEASURE_MS;
    if (link.socketIsOpen && (silent || unmeasured)) {
      link.lastProbe = now;
      path.lastOut = now;
      this.#statistics.probes++;
      this.#node.sender.probe(this.peer, path.socket, path.endpoint, now);
    }
    if (now - measured.lastReportOut >= 2 * this.policy.failoverMs) this.#report(link, now);
  }

  #report(link: Link, now: Millis): void {
    const records = link.measured.takeReport(now);
    if (records.length === 0) return;
    this.#statistics.reportsOut++;
    const packet = this.#node.sender.seal(this.peer, Verb.QOS_MEASUREMENT, encodeQosMeasurement({ records }), 0);
    this.#node.sender.onPath(link.path, packet, now);
  }

  /** Tries the ways that are no path yet: from our known port on each address to each place where the peer is known. */
  #explore(now: Millis): void {
    const ways: { readonly socket: number; readonly endpoint: Endpoint }[] = [];
    const places = new Map(this.peer.paths.map(({ path: { endpoint } }) => [endpointKey(endpoint), endpoint]));
    for (const { id, local, device, primary } of this.#node.ports.outbox.sockets()) {
      if (!primary || !mayBeLink(this.#settings(device), local.family)) continue;
      for (const endpoint of places.values()) {
        if (endpoint.family !== local.family || this.peer.findPath(pathKey(id, endpoint)) !== undefined) continue;
        if (this.#node.topology.mayUse(this.peer.address, endpoint)) ways.push({ socket: id, endpoint });
      }
    }
    for (let i = 0; i < Math.min(ways.length, MAX_EXPLORED); i++) {
      const { socket, endpoint } = ways[this.#explored++ % ways.length]!;
      this.#node.sender.approach(this.peer, socket, endpoint, now);
    }
  }

  rotate(now: Millis): boolean {
    return this.#selector.rotate(now);
  }

  links(): IterableIterator<Link> {
    return this.#links.all();
  }

  aliveCount(now: Millis): number {
    return this.#links.aliveCount(now);
  }

  get flows(): number {
    return this.#selector.flows;
  }

  view(now: Millis): BondView {
    const { base, failoverMs, upDelayMs, downDelayMs, packetsPerLink } = this.policy;
    return {
      policyCode: POLICY_CODES[base],
      policy: base,
      aliveLinks: this.aliveCount(now),
      totalLinks: this.#links.size,
      failoverMs,
      upDelayMs,
      downDelayMs,
      packetsPerLink,
    };
  }

  linkView(path: Path, now: Millis): LinkView | null {
    const link = this.#links.ofPath(path.key);
    if (link?.path !== path) return null;
    const { device, localPort, measured, flows, settings } = link;
    return {
      device,
      localPort,
      latencyMs: measured.latencyMs,
      varianceMs: measured.varianceMs,
      lossRatio: measured.lossRatio,
      quality: measured.quality(this.policy.quality),
      flows,
      capacity: settings.capacity,
      lastInAge: path.lastIn === 0 ? -1 : now - path.lastIn,
      lastOutAge: path.lastOut === 0 ? -1 : now - path.lastOut,
      eligible: link.eligible,
      used: this.#selector.uses(link),
    };
  }
}

function selectorFor(policy: BondPolicy, links: LinkSet, statistics: BondStatistics, draw: Draw): Selector {
  switch (policy.base) {
    case "active-backup":
      return new ActiveBackup(links, statistics);
    case "broadcast":
      return new Broadcast(links, statistics);
    case "balance-rr":
      return new RoundRobin(links, draw);
    case "balance-xor":
      return new BalanceXor(links);
    case "balance-aware":
      return new BalanceAware(links, draw, statistics);
  }
}
