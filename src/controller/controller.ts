/**
 * THE CONTROLLER ROLE: certificate authority and address plan of the networks whose id begins with this node's address.
 * Answers configuration requests, applies changes, tells members of them. Adds its verb to the node.
 * Facts: controller.md; vl2-networks.md §7. Deliberate differences from the reference are listed in src/README.md.
 */
import { networkIdFromRandom } from "../network/network-id.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { Handler } from "../node/request.ts";
import type { Address } from "../protocol/address.ts";
import type { ConfigAcknowledgement } from "../protocol/messages/network-config.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import { letInByToken } from "./admit.ts";
import { joinTokenId, opens, spend, stillOpen } from "./join-token.ts";
import { isAuthorized, isBridge, Ledger } from "./ledger.ts";
import type { ControllerManagement, MemberChange, MemberDraft, MemberStatus, NetworkChange } from "./management.ts";
import { memberStatus } from "./member-status.ts";
import type {
  Actor,
  ControllerEvent,
  ControllerEventSink,
  ControllerReader,
  ControllerStore,
  JoinToken,
} from "./ports.ts";
import { Presences } from "./presences.ts";
import { Pushes } from "./pushes.ts";
import type { MemberRecord, NetworkRecord } from "./records.ts";
import { type RequestLimits, Requests } from "./requests.ts";
import { Revocations } from "./revocations.ts";
import { type MemberSession, MemberSessions, ONLINE_MS } from "./sessions.ts";
import { ControllerStatistics } from "./statistics.ts";
import { StrangerGate, type StrangerLimits } from "./stranger-gate.ts";
import { TraceReceiver } from "./traces.ts";

const EXPIRY_INTERVAL_MS = 1000;
const EXPIRED_PER_ROUND = 100;
const FREE_ID_TRIALS = 1000;

export interface ControllerLimits extends RequestLimits, StrangerLimits {
  /** Members and askers remembered in memory. */
  readonly maxSessions: number;
  /** Networks and member records kept in memory. */
  readonly cachedNetworks: number;
  readonly cachedMembers: number;
}

export interface ControllerPorts {
  readonly store: ControllerStore;
  /** ms since the epoch. */
  clock(): Millis;
  /** Resolves when other work had its turn. */
  breathe(): Promise<void>;
  /** What went wrong inside, for the log. */
  failed(error: unknown): void;
}

/** None of the ids that were drawn is free: the address has nearly all of its 2^24 networks. */
export class NoFreeNetworkId extends Error {
  override readonly name = "NoFreeNetworkId";
}

export class Controller implements ControllerManagement {
  readonly statistics = new ControllerStatistics();
  readonly sessions: MemberSessions;
  /** The verb's handler. */
  readonly handleRequest: Handler;
  readonly #node: Node;
  readonly #ports: ControllerPorts;
  readonly #ledger: Ledger;
  readonly #requests: Requests;
  readonly #pushes: Pushes;
  readonly #revocations: Revocations;
  readonly #sinks = new Set<ControllerEventSink>();
  readonly #presences: Presences;
  #nextExpiry: Millis = 0;
  /** What is under way in the background. */
  readonly #background = new Set<Promise<void>>();

  constructor(node: Node, limits: ControllerLimits, ports: ControllerPorts) {
    this.#node = node;
    this.#ports = ports;
    this.sessions = new MemberSessions(limits.maxSessions);
    const emit = (event: ControllerEvent) => this.#emit(event);
    const capacity = { networks: limits.cachedNetworks, members: limits.cachedMembers };
    this.#ledger = new Ledger(ports.store, capacity, this.statistics, emit);
    const { sessions, statistics } = this;
    this.#presences = new Presences(this.#ledger, sessions, ports.clock());
    const strangers = new StrangerGate(limits);
    this.#requests = new Requests({
      node,
      ledger: this.#ledger,
      sessions,
      statistics,
      strangers,
      limits,
      clock: ports.clock,
      failed: ports.failed,
      seen: (networkId, address, isNew) => emit({ type: "member-seen", networkId, address, isNew }),
    });
    this.#revocations = new Revocations(node.identity, node.ports.random, {
      send: (to, payload, now) => {
        this.statistics.revocationsSent++;
        node.send(to, Verb.NETWORK_CREDENTIALS, payload, now);
      },
      recipients: (networkId, now) => [...sessions.online(networkId, now)].map(({ address }) => address),
    });
    this.#pushes = new Pushes(this.#pushPorts(), statistics);
    this.handleRequest = this.#requests.handle;
    node.handlers[Verb.NETWORK_CONFIG_REQUEST] = this.handleRequest;
    node.handlers[Verb.REMOTE_TRACE] = new TraceReceiver(sessions, statistics, emit).handle;
    node.configAcknowledged = (from, acknowledgement) => this.#acknowledged(from, acknowledgement);
  }

  get address(): Address {
    return this.#node.identity.address;
  }

  get reader(): ControllerReader {
    return this.#ports.store;
  }

  /** What waits and what is kept, for gauges. */
  get gauges(): Readonly<Record<"sessions" | "pushesWaiting" | "pushesUnacknowledged" | "revocationsPending", number>> {
    return {
      sessions: this.sessions.size,
      pushesWaiting: this.#pushes.waiting,
      pushesUnacknowledged: this.#pushes.unacknowledged,
      revocationsPending: this.#revocations.pending,
    };
  }

  async freeNetworkId(): Promise<bigint> {
    const drawn = new Uint8Array(4);
    for (let trial = 0; trial < FREE_ID_TRIALS; trial++) {
      this.#node.ports.random(drawn);
      const id = networkIdFromRandom(this.address, new DataView(drawn.buffer).getUint32(0));
      if ((await this.reader.network(id)) === null) return id;
    }
    throw new NoFreeNetworkId("no free network id was found: delete networks that are not used");
  }

  async changeNetwork(id: bigint, actor: Actor, now: Millis, change: NetworkChange): Promise<NetworkRecord> {
    const { before, after } = await this.#ledger.changeNetwork(id, actor, now, change);
    if (before !== null && after !== before) this.#pushes.network(id, now);
    return after;
  }

  async deleteNetwork(id: bigint, actor: Actor, now: Millis): Promise<NetworkRecord | null> {
    await this.#restore(id);
    const online = [...this.sessions.online(id, now)].map(({ address }) => address);
    const before = await this.#ledger.deleteNetwork(id, actor, now);
    if (before === null) return null;
    // Who is not online has nobody who would accept it much longer: certificates age out.
    for (const address of online) {
      this.#revocations.revoke(id, address, now, online);
      this.#requests.refuse(address, id, ErrorCode.OBJ_NOT_FOUND, 0n, now);
    }
    this.#revocations.tick(now);
    this.sessions.forgetNetwork(id);
    return before;
  }

  async changeMember(
    networkId: bigint,
    address: Address,
    actor: Actor,
    now: Millis,
    change: MemberChange,
  ): Promise<MemberRecord | null> {
    const changed = await this.#ledger.changeMember(networkId, address, actor, now, change);
    if (changed === null) return null;
    if (changed.after !== changed.before) await this.#memberChanged(changed.before, changed.after, now);
    return changed.after;
  }

  async deleteMember(networkId: bigint, address: Address, actor: Actor, now: Millis): Promise<MemberRecord | null> {
    const before = await this.#ledger.deleteMember(networkId, address, actor, now);
    if (before === null) return null;
    if (isAuthorized(before)) await this.#withdraw(networkId, address, now);
    if (isBridge(before)) this.#pushes.network(networkId, now);
    return before;
  }

  async status(networkId: bigint, address: Address, now: Millis): Promise<MemberStatus> {
    const session = this.sessions.find(networkId, address) ?? null;
    const presence = session === null ? await this.reader.presence(networkId, address) : null;
    return memberStatus(this.#node, address, session ?? presence, now);
  }

  async putJoinToken(token: JoinToken, actor: Actor, now: Millis): Promise<void> {
    const { id, networkId, name } = token;
    const network = networkId.toString(16).padStart(16, "0");
    await this.#ports.store.transaction(async (transaction) => {
      await transaction.putJoinToken(token);
      const entry = { at: now, actor, action: "join-token.create", networkId: network, object: id };
      await transaction.appendAudit({ ...entry, changes: { name: [null, name] } });
    });
  }

  async deleteJoinToken(id: string, actor: Actor, now: Millis): Promise<boolean> {
    return this.#ports.store.transaction(async (transaction) => {
      const token = await transaction.joinToken(id);
      if (token === null) return false;
      await transaction.deleteJoinToken(id);
      const network = token.networkId.toString(16).padStart(16, "0");
      const entry = { at: now, actor, action: "join-token.delete", networkId: network, object: id };
      await transaction.appendAudit({ ...entry, changes: { name: [token.name, null] } });
      return true;
    });
  }

  async redeemJoinToken(secret: string, address: Address, now: Millis): Promise<MemberRecord | null> {
    const id = joinTokenId(secret);
    const token = id === null ? null : await this.reader.joinToken(id);
    if (token === null || !opens(token, secret, now)) return null;
    const actor = `join-token:${token.id}`;
    const changed = await this.#ports.store.transaction(async (transaction) => {
      const open = await stillOpen(transaction, token);
      const network = open === null ? null : await transaction.network(open.networkId);
      if (open === null || network === null) return null;
      const before = await transaction.member(network.id, address);
      if (!isAuthorized(before)) await spend(transaction, open);
      return this.#ledger.putMember(transaction, before, letInByToken(network, before, address, open, now), actor, now);
    });
    if (changed === null) return null;
    this.#ledger.memberWritten(changed, actor);
    if (changed.after !== changed.before) await this.#memberChanged(changed.before, changed.after, now);
    return changed.after;
  }

  subscribe(sink: ControllerEventSink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** Does what is due; what takes time goes on in the background. */
  tick(now: Millis): void {
    this.#revocations.tick(now);
    this.#pushes.tick(now);
    if (this.#presences.isDue(now)) this.#inBackground(this.#presences.write());
    if (now >= this.#nextExpiry) {
      this.#nextExpiry = now + EXPIRY_INTERVAL_MS;
      this.#inBackground(this.#endExpired(now));
    }
  }

  /** Writes down who was heard and waits for what is under way. To be called before the store is closed. */
  async close(): Promise<void> {
    await this.#presences.write();
    await Promise.all(this.#background);
  }

  #pushPorts() {
    return {
      online: async (networkId: bigint) => {
        await this.#restore(networkId);
        return this.sessions.online(networkId, this.#ports.clock());
      },
      session: async (networkId: bigint, address: Address) => {
        await this.#restore(networkId);
        const session = this.sessions.find(networkId, address);
        return session !== undefined && this.#ports.clock() - session.lastSeen < ONLINE_MS ? session : null;
      },
      issue: (session: MemberSession, updateId: bigint) => this.#requests.renew(session, updateId),
      send: (to: Address, payload: Uint8Array) => {
        this.#node.send(to, Verb.NETWORK_CONFIG, payload, this.#ports.clock());
      },
      newUpdateId: () => this.#requests.newUpdateId(),
      clock: () => this.#ports.clock(),
      breathe: () => this.#ports.breathe(),
      pushed: ({ networkId, address }: MemberSession, afterMs: number) =>
        this.#emit({ type: "config-pushed", networkId, address, afterMs }),
      failed: (error: unknown) => this.#ports.failed(error),
    };
  }

  async #memberChanged(before: MemberRecord | null, after: MemberRecord, now: Millis): Promise<void> {
    const { networkId, address } = after;
    if (isAuthorized(before) && !isAuthorized(after)) await this.#withdraw(networkId, address, now);
    else if (isAuthorized(after)) this.#pushes.member(networkId, address, now);
    // Every member's configuration names the bridges.
    if (isBridge(before) !== isBridge(after)) this.#pushes.network(networkId, now);
  }

  /** The others stop accepting the member, and it is told so instead of finding out within a minute. */
  async #withdraw(networkId: bigint, address: Address, now: Millis): Promise<void> {
    await this.#restore(networkId);
    this.#revocations.revoke(networkId, address, now);
    this.#revocations.tick(now);
    if (this.sessions.find(networkId, address) !== undefined) {
      this.#requests.refuse(address, networkId, ErrorCode.NETWORK_ACCESS_DENIED, 0n, now);
    }
  }

  #restore(networkId: bigint): Promise<void> {
    return this.#presences.restore(networkId, this.#ports.clock());
  }

  /** Authorizations that were given for a time end. */
  async #endExpired(now: Millis): Promise<void> {
    for (const { networkId, address } of await this.reader.expired(now, EXPIRED_PER_ROUND)) {
      await this.changeMember(networkId, address, "controller", now, (current) => withoutAuthorization(current, now));
    }
  }

  #acknowledged(from: Address, { updateId }: ConfigAcknowledgement): void {
    this.#pushes.acknowledged(from, updateId);
  }

  #emit(event: ControllerEvent): void {
    for (const sink of this.#sinks) sink(event);
  }

  #inBackground(work: Promise<void>): void {
    const guarded = work
      .catch((error: unknown) => this.#ports.failed(error))
      .finally(() => this.#background.delete(guarded));
    this.#background.add(guarded);
  }
}

/** The change that ends an authorization whose time is over. */
function withoutAuthorization(current: MemberRecord | null, now: Millis): MemberDraft {
  if (current === null) throw new Error("a member that is not there has no authorization that could end");
  return {
    json: { ...current.json, authorized: false, lastDeauthorizedTime: now },
    own: { ...current.own, authorizationExpiresAt: 0 },
  };
}
