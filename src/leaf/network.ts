/**
 * One network that this node has joined: its configuration and what follows from it, its status, who else is in it.
 * Facts: vl2-networks.md §3.1, §4.3, §6.
 */

import type { Identity } from "../identity/identity.ts";
import { ConfigFlag, type NetworkConfig } from "../network/config.ts";
import { ConfigAssembler } from "../network/config-assembly.ts";
import { SpecialistRole } from "../network/config-blobs.ts";
import { encodeMembershipCertificate } from "../network/credentials/certificate-of-membership.ts";
import type { IdentityLookup } from "../network/credentials/signing.ts";
import { MAX_RULES } from "../network/limits.ts";
import { MemberMacs } from "../network/mac.ts";
import { controllerOf, isAdHoc, type NetworkId } from "../network/network-id.ts";
import { decodeRules } from "../network/rules/codec.ts";
import type { CapabilityRules, Rule } from "../network/rules/rule.ts";
import type { Millis } from "../node/ports.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_CAPABILITY_RULES } from "../protocol/credential-bytes.ts";
import type { Mac } from "../protocol/ethernet.ts";
import { BridgeRoutes } from "./bridge-routes.ts";
import { GroupTable } from "./group-table.ts";
import { RemoteMembers } from "./remote-members.ts";
import { Subscriptions } from "./subscriptions.ts";

/** What the reference calls it (local-api.md §3). */
export type NetworkStatus =
  | "REQUESTING_CONFIGURATION"
  | "OK"
  | "ACCESS_DENIED"
  | "NOT_FOUND"
  | "PORT_ERROR"
  | "CLIENT_TOO_OLD"
  | "AUTHENTICATION_REQUIRED";

/** Why there is no new configuration. */
export type NetworkFailure = "ACCESS_DENIED" | "NOT_FOUND" | "AUTHENTICATION_REQUIRED";

export interface NetworkLimits {
  /** Members of multicast groups that are remembered, in all groups. */
  readonly maxGroupMembers: number;
  /** Other members whose credentials are remembered. */
  readonly maxMembers: number;
}

export class Network {
  readonly id: NetworkId;
  readonly controller: Address;
  readonly isAdHoc: boolean;
  readonly macs: MemberMacs;
  /** Our own. */
  readonly mac: Mac;
  readonly assembly: ConfigAssembler;
  readonly members: RemoteMembers;
  readonly subscriptions = new Subscriptions();
  readonly groups: GroupTable;
  readonly bridgeRoutes = new BridgeRoutes();
  readonly #self: Address;
  #controllerIdentity: Identity | null = null;

  config: NetworkConfig | null = null;
  /** The dictionary of `config`, to tell a new one from a repeated one. */
  dictionary: Uint8Array | null = null;
  /** When `config` last changed (0: it is from before the start). */
  configuredAt: Millis = 0;
  /** When the controller last said that it holds. */
  confirmedAt: Millis = 0;
  failure: NetworkFailure | null = null;
  /** Where to sign in, if that is what is missing. */
  authenticationUrl = "";
  /** What is said to the controller to be let in, as in `token:…`; empty for nothing. */
  joinCredential = "";
  /** The interface could not be made. */
  portError = 0;
  /** When the next request is due, and how many went unanswered. */
  nextRequest: Millis = 0;
  unanswered = 0;
  /** When all groups were last announced to whoever always hears of them. */
  lastAnnouncement: Millis = 0;

  // What follows from the configuration.
  rules: readonly Rule[] = [];
  capabilities: readonly CapabilityRules[] = [];
  ownTags: ReadonlyMap<number, number> = new Map();
  bridges: readonly Address[] = [];
  replicators: readonly Address[] = [];
  /** Anchors and replicators: kept in touch with, and asked about groups. */
  alwaysContact: readonly Address[] = [];
  isBridge = false;
  isReplicator = false;
  /** Our certificate of membership as it is attached to packets; null if we have none. */
  ownMembership: Uint8Array | null = null;

  constructor(id: NetworkId, self: Address, limits: NetworkLimits) {
    this.id = id;
    this.#self = self;
    this.controller = controllerOf(id);
    this.isAdHoc = isAdHoc(id);
    this.macs = new MemberMacs(id);
    this.mac = this.macs.macOf(self);
    this.assembly = new ConfigAssembler(id);
    this.members = new RemoteMembers(id, limits.maxMembers);
    this.groups = new GroupTable(limits.maxGroupMembers);
  }

  get status(): NetworkStatus {
    if (this.portError !== 0) return "PORT_ERROR";
    return this.failure ?? (this.config === null ? "REQUESTING_CONFIGURATION" : "OK");
  }

  /**
   * Identities by which credentials of this network are verified: its controller's is kept once it was known, because a
   * controller that has been silent for long is forgotten as a peer, and its word still counts.
   */
  issuers(known: IdentityLookup): IdentityLookup {
    return (address) => {
      const found = known(address);
      if (address !== this.controller) return found;
      this.#controllerIdentity = found ?? this.#controllerIdentity;
      return this.#controllerIdentity;
    };
  }

  has(flag: number): boolean {
    return ((this.config?.flags ?? 0) & flag) !== 0;
  }

  get compressesMulticast(): boolean {
    return !this.has(ConfigFlag.NO_COMPRESSION);
  }

  isActiveBridge(address: Address): boolean {
    return this.bridges.includes(address);
  }

  /** Takes a configuration that was checked to be for this network and node. */
  apply(config: NetworkConfig, dictionary: Uint8Array, now: Millis): void {
    this.config = config;
    this.dictionary = dictionary;
    this.configuredAt = now;
    this.rules = rulesOf(config.rules, MAX_RULES);
    this.capabilities = config.capabilities.map(({ id, rules }) => ({
      id,
      rules: rulesOf(rules, MAX_CAPABILITY_RULES),
    }));
    this.ownTags = new Map(config.tags.map(({ id, value }) => [id, value]));
    const having = (role: number) =>
      config.specialists.flatMap(({ address, roles }) => ((roles & role) !== 0 ? [address] : []));
    this.bridges = having(SpecialistRole.ACTIVE_BRIDGE);
    this.replicators = having(SpecialistRole.REPLICATOR);
    this.alwaysContact = having(SpecialistRole.ANCHOR | SpecialistRole.REPLICATOR).filter((at) => at !== this.#self);
    this.isBridge = this.bridges.includes(this.#self);
    this.isReplicator = this.replicators.includes(this.#self);
    this.ownMembership = config.membership === null ? null : encodeMembershipCertificate(config.membership);
    this.subscriptions.broadcast = this.has(ConfigFlag.BROADCAST);
    this.members.ourConfigurationIs(config);
  }
}

/** What does not decode is no rule: the configuration was decoded before, so this does not happen to base rules. */
function rulesOf(bytes: Uint8Array, max: number): readonly Rule[] {
  const decoded = decodeRules(bytes, max);
  return decoded.ok ? decoded.value : [];
}
