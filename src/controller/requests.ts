/**
 * NETWORK_CONFIG_REQUEST: gates, the verdict, what is written down, the answer. The same way serves pushes, which are
 * requests that nobody sent. Facts: controller.md §7; vl2-networks.md §3, §4.
 */
import type { Identity } from "../identity/identity.ts";
import { controllerOf } from "../network/network-id.ts";
import { decodeRequestMetadata } from "../network/request-metadata.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { Request } from "../node/request.ts";
import { type Address, formatAddress } from "../protocol/address.ts";
import { DictionaryWriter } from "../protocol/dictionary.ts";
import { formatEndpoint, formatIp } from "../protocol/inet-address.ts";
import { encodeError, encodeNetworkError } from "../protocol/messages/error.ts";
import { decodeNetworkConfigRequest } from "../protocol/messages/network-config-request.ts";
import { encodeOk } from "../protocol/messages/ok.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import { type Admission, type Asking, admit, shownToken } from "./admit.ts";
import { freeAddress, missingFamilies } from "./assign-ip.ts";
import { issueChunks } from "./issue.ts";
import { joinTokenId, opens, spend, stillOpen } from "./join-token.ts";
import type { Changed, Ledger, MemberState } from "./ledger.ts";
import { memberState } from "./ledger.ts";
import type { NetworkState } from "./network-state.ts";
import type { ControllerTransaction, JoinToken } from "./ports.ts";
import type { MemberRecord } from "./records.ts";
import { keyOf, type MemberSession, type MemberSessions, REQUEST_GATE_MS } from "./sessions.ts";
import { memberSettings } from "./settings.ts";
import type { ControllerStatistics, RequestResult } from "./statistics.ts";
import type { StrangerGate } from "./stranger-gate.ts";

/** A member for whom there is no free address is not looked for at each of its requests. */
const POOL_RETRY_MS = 300_000;
/** Members told that a pool is empty, remembered. */
const MAX_WITHOUT_ADDRESS = 10_000;

export interface RequestLimits {
  /** Requests being worked on at the same time; more are dropped, and asked again. */
  readonly maxUnderWay: number;
  /** Members of one network. */
  readonly maxMembers: number;
}

/** The outcome for one member: what it may have, and its record. */
type Outcome =
  | { readonly verdict: "accepted"; readonly network: NetworkState; readonly member: MemberState }
  | { readonly verdict: "not_found" | "denied" | "wrong_identity" | "authenticate" };

export interface RequestsOptions {
  readonly node: Node;
  readonly ledger: Ledger;
  readonly sessions: MemberSessions;
  readonly statistics: ControllerStatistics;
  readonly strangers: StrangerGate;
  readonly limits: RequestLimits;
  /** ms since the epoch, for configurations that nobody asked for. */
  clock(): Millis;
  /** Told about what went wrong inside. */
  failed(error: unknown): void;
  /** Told that a node asked; `isNew` if the network had never heard of it. */
  seen(networkId: bigint, address: Address, isNew: boolean): void;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #node: Node;
  readonly #ledger: Ledger;
  readonly #statistics: ControllerStatistics;
  /** When to look again for an address for a member, by network and address. */
  readonly #withoutAddress = new Map<string, Millis>();

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#node = options.node;
    this.#ledger = options.ledger;
    this.#statistics = options.statistics;
  }

  /** The verb's handler. What takes time goes on after it has returned. */
  readonly handle = (node: Node, request: Request): boolean => {
    const decoded = decodeNetworkConfigRequest(request.payload);
    if (!decoded.ok) {
      node.drop("malformed");
      this.#count("malformed");
      return false;
    }
    const { networkId, metadata } = decoded.value;
    const { address, identity } = request.peer;
    if (controllerOf(networkId) !== node.identity.address) return this.#count("foreign");
    const known = this.#options.sessions.find(networkId, address);
    if (known !== undefined && (known.busy || request.now - known.lastSeen < REQUEST_GATE_MS)) {
      return this.#count("rate_limited");
    }
    if (known === undefined && !this.#options.strangers.mayAsk(networkId, address, request.now))
      return this.#count("rate_limited");
    if (this.#statistics.underWay >= this.#options.limits.maxUnderWay) return this.#count("overloaded");
    const copy = new Uint8Array(metadata);
    const physicalAddress = request.hops === 0 ? formatEndpoint(request.from) : "";
    void this.#serve(networkId, identity, copy, physicalAddress, request.packetId, request.now);
    return true;
  };

  /** A fresh configuration for a member that did not ask; null if it is not to have one. Does not reject. */
  async renew(session: MemberSession, updateId: bigint): Promise<readonly Uint8Array[] | null> {
    const now = this.#options.clock();
    const outcome = await this.#outcome(session.networkId, session.identity, session.facts, now);
    return outcome.verdict === "accepted" ? this.#issue(outcome, session, updateId, now) : null;
  }

  /** Says to a node why it has no configuration (any more); `packetId` 0n if it did not ask. */
  refuse(to: Address, networkId: bigint, code: ErrorCode, packetId: bigint, now: Millis): void {
    const data = code === ErrorCode.NETWORK_AUTHENTICATION_REQUIRED ? NOWHERE_TO_AUTHENTICATE : null;
    const body = encodeNetworkError({ networkId, data });
    const inReVerb = Verb.NETWORK_CONFIG_REQUEST;
    this.#node.statistics.errorsOut[code]!++;
    this.#node.send(to, Verb.ERROR, encodeError({ inReVerb, inRePacketId: packetId, code, body }), now);
  }

  async #serve(
    networkId: bigint,
    identity: Identity,
    metadata: Uint8Array,
    physicalAddress: string,
    packetId: bigint,
    now: Millis,
  ): Promise<void> {
    const { address } = identity;
    const facts = decodeRequestMetadata(metadata);
    this.#statistics.underWay++;
    try {
      if ((await this.#ledger.network(networkId)) === null) {
        this.#count("not_found");
        return this.refuse(address, networkId, ErrorCode.OBJ_NOT_FOUND, packetId, now);
      }
      const session = this.#options.sessions.seen(
        networkId,
        address,
        { identity, metadata, facts, physicalAddress },
        now,
      );
      session.busy = true;
      try {
        await this.#answer(session, packetId, now);
      } finally {
        session.busy = false;
      }
    } catch (error) {
      this.#count("failed");
      this.#options.failed(error);
    } finally {
      this.#statistics.underWay--;
    }
  }

  async #answer(session: MemberSession, packetId: bigint, now: Millis): Promise<void> {
    const { networkId, address, identity, facts } = session;
    const isNew = (await this.#ledger.member(networkId, address)) === null;
    const outcome = await this.#outcome(networkId, identity, facts, now);
    this.#options.seen(networkId, address, isNew);
    if (outcome.verdict === "accepted") {
      for (const chunk of this.#issue(outcome, session, this.newUpdateId(), now)) {
        this.#node.send(address, Verb.OK, encodeOk(Verb.NETWORK_CONFIG_REQUEST, packetId, chunk), now);
      }
      this.#count("issued");
      return;
    }
    this.#count(outcome.verdict);
    this.refuse(address, networkId, REFUSALS[outcome.verdict], packetId, now);
  }

  #issue(
    { network, member }: Outcome & { verdict: "accepted" },
    { identity, facts }: MemberSession,
    updateId: bigint,
    now: Millis,
  ): Uint8Array[] {
    return issueChunks({ network, member, identity, facts, controller: this.#node.identity, now }, updateId);
  }

  /** Random and not 0. */
  newUpdateId(): bigint {
    const bytes = new Uint8Array(8);
    this.#node.ports.random(bytes);
    return new DataView(bytes.buffer).getBigUint64(0) | 1n;
  }

  async #outcome(networkId: bigint, identity: Identity, facts: MemberSession["facts"], now: Millis): Promise<Outcome> {
    const { address } = identity;
    const network = await this.#ledger.network(networkId);
    if (network === null) return { verdict: "not_found" };
    const current = await this.#ledger.member(networkId, address);
    const asking = { identity, facts, joinToken: await this.#joinToken(networkId, shownToken(facts), current, now) };
    const admission = admit(network, current?.record ?? null, asking, now);
    if (admission.verdict === "wrong_identity") return { verdict: "wrong_identity" };
    const isAccepted = admission.verdict === "accepted";
    const settled = current !== null && admission.draft.json === current.record.json;
    if (settled && !(isAccepted && this.#wantsAddress(network, current, now))) {
      return isAccepted ? { verdict: "accepted", network, member: current } : { verdict: admission.verdict };
    }
    return this.#write(network, asking, now);
  }

  /** Decides once more inside a transaction, gives addresses, and writes. */
  async #write(network: NetworkState, asking: Asking, now: Millis): Promise<Outcome> {
    const { id: networkId } = network.record;
    const { address } = asking.identity;
    const actor = `node:${formatAddress(address)}`;
    const removed: MemberRecord[] = [];
    const written = await this.#ledger.store.transaction(async (transaction) => {
      removed.length = 0;
      if ((await transaction.network(networkId)) === null) return null;
      const before = await transaction.member(networkId, address);
      const joinToken = await stillOpen(transaction, asking.joinToken);
      const admission = admit(network, before, { ...asking, joinToken }, now);
      if (admission.verdict === "wrong_identity") return { admission, changed: null };
      if (before === null && !(await this.#makeRoom(transaction, networkId, admission, removed, now))) {
        return { admission: { ...admission, verdict: "denied" as const }, changed: null };
      }
      if (admission.spends !== null) await spend(transaction, admission.spends);
      const draft =
        admission.verdict === "accepted"
          ? await this.#withAddresses(transaction, network, admission.draft, now)
          : admission.draft;
      const changed = await this.#ledger.putMember(transaction, before, draft, actor, now);
      return { admission, changed };
    });
    if (written === null) return { verdict: "not_found" };
    for (const record of removed) this.#ledger.memberRemoved(record);
    return this.#afterWriting(network, written.admission, written.changed, actor);
  }

  #afterWriting(
    network: NetworkState,
    { verdict }: Admission,
    changed: Changed<MemberRecord> | null,
    actor: string,
  ): Outcome {
    if (changed !== null) this.#ledger.memberWritten(changed, actor);
    if (verdict !== "accepted") return { verdict };
    if (changed === null) return { verdict: "denied" };
    return { verdict, network, member: memberState(changed.after) };
  }

  /** Strangers are written down only so often, and only so many; false if this one is not. */
  async #makeRoom(
    transaction: ControllerTransaction,
    networkId: bigint,
    admission: Admission,
    removed: MemberRecord[],
    now: Millis,
  ): Promise<boolean> {
    const counts = await transaction.memberCounts(networkId);
    if (admission.verdict === "accepted") return counts.total < this.#options.limits.maxMembers;
    if (!this.#options.strangers.mayRecord(now) || counts.total >= this.#options.limits.maxMembers) {
      this.#statistics.strangers.unrecorded++;
      return false;
    }
    if (counts.strangers < this.#options.strangers.maxPerNetwork) return true;
    const oldest = await transaction.oldestStranger(networkId);
    if (oldest !== null) {
      await transaction.deleteMember(networkId, oldest.address);
      removed.push(oldest);
      this.#statistics.strangers.evicted++;
    }
    return true;
  }

  #wantsAddress(network: NetworkState, member: MemberState, now: Millis): boolean {
    if (missingFamilies(network.settings, member.settings).length === 0) return false;
    const { networkId, address } = member.record;
    return (this.#withoutAddress.get(keyOf(networkId, address)) ?? 0) <= now;
  }

  async #withAddresses(
    transaction: ControllerTransaction,
    network: NetworkState,
    draft: MemberRecord,
    now: Millis,
  ): Promise<MemberRecord> {
    const { networkId, address } = draft;
    const key = keyOf(networkId, address);
    let json = draft.json;
    this.#withoutAddress.delete(key);
    for (const family of missingFamilies(network.settings, memberSettings(draft.json))) {
      const isTaken = (ip: Uint8Array) => transaction.ipTaken(networkId, ip, address);
      const ip = await freeAddress(family, network.settings, address, this.#node.ports.random, isTaken);
      if (ip === null) {
        if (this.#withoutAddress.size >= MAX_WITHOUT_ADDRESS) this.#withoutAddress.clear();
        this.#withoutAddress.set(key, now + POOL_RETRY_MS);
        this.#statistics.poolExhausted++;
        continue;
      }
      const present = Array.isArray(json["ipAssignments"]) ? json["ipAssignments"] : [];
      json = { ...json, ipAssignments: [...present, formatIp(ip)] };
    }
    return { ...draft, json };
  }

  /** The join token that a node without authorization shows, if it opens. */
  async #joinToken(
    networkId: bigint,
    secret: string | null,
    current: MemberState | null,
    now: Millis,
  ): Promise<JoinToken | null> {
    const id = secret === null || current?.settings.authorized === true ? null : joinTokenId(secret);
    if (secret === null || id === null) return null;
    const token = await this.#ledger.store.joinToken(id);
    return token !== null && token.networkId === networkId && opens(token, secret, now) ? token : null;
  }

  #count(result: RequestResult): true {
    this.#statistics.requests[result]++;
    return true;
  }
}

const REFUSALS = {
  not_found: ErrorCode.OBJ_NOT_FOUND,
  denied: ErrorCode.NETWORK_ACCESS_DENIED,
  wrong_identity: ErrorCode.NETWORK_ACCESS_DENIED,
  authenticate: ErrorCode.NETWORK_AUTHENTICATION_REQUIRED,
} as const;

/** Version 0 with an empty URL: there is no provider (controller.md §8, SSO). */
const NOWHERE_TO_AUTHENTICATE = new DictionaryWriter().u64("aV", 0n).text("aU", "").finish();
