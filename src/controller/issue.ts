/**
 * A member's configuration with its credentials, signed. Facts: controller.md §9, §11; vl2-networks.md §5, §7.
 * All credentials of one configuration carry its time.
 */
import type { Identity } from "../identity/identity.ts";
import { ConfigFlag, encodeNetworkConfigDictionary, type NetworkConfig } from "../network/config.ts";
import { SpecialistRole } from "../network/config-blobs.ts";
import { signConfigChunks } from "../network/config-chunks.ts";
import { NO_SSO } from "../network/config-sso.ts";
import { type Capability, issueCapability } from "../network/credentials/capability.ts";
import { issueMembershipCertificate } from "../network/credentials/certificate-of-membership.ts";
import {
  issueOwnershipCertificate,
  type OwnershipCertificate,
  ownedIp,
} from "../network/credentials/certificate-of-ownership.ts";
import { issueTag, type Tag } from "../network/credentials/tag.ts";
import { MAX_CAPABILITIES, MAX_TAGS } from "../network/limits.ts";
import type { RequestMetadata } from "../network/request-metadata.ts";
import type { Millis } from "../node/ports.ts";
import type { IpPrefix } from "../protocol/inet-address.ts";
import { presentAddresses } from "./assign-ip.ts";
import type { MemberState } from "./ledger.ts";
import { type NetworkState, NO_ENGINE_RULES } from "./network-state.ts";

/** Of the one certificate that lists all managed addresses. */
const OWNERSHIP_ID = 1;

export interface IssueOptions {
  readonly network: NetworkState;
  readonly member: MemberState;
  /** The member's public identity. */
  readonly identity: Identity;
  readonly facts: RequestMetadata;
  /** Signs; has its secret. */
  readonly controller: Identity;
  readonly now: Millis;
}

/** The chunks that bring the member its configuration, in order; each is an OK's body or a NETWORK_CONFIG's payload. */
export function issueChunks(options: IssueOptions, updateId: bigint): Uint8Array[] {
  const dictionary = encodeNetworkConfigDictionary(issueConfig(options));
  return signConfigChunks(options.network.record.id, dictionary, updateId, options.controller);
}

export function issueConfig({ network, member, identity, facts, controller, now }: IssueOptions): NetworkConfig {
  const { settings } = network;
  const { id: networkId } = network.record;
  const timestamp = BigInt(now);
  const hasEngine = facts.rulesEngineRevision > 0;
  const { addresses, ndpEmulation } = presentAddresses(settings, member.settings, networkId, identity.address);
  const trace = member.settings.remoteTrace ?? settings.remoteTrace;
  const common = { networkId, timestamp, issuedTo: identity.address };
  return {
    ...common,
    credentialTimeMaxDelta: BigInt(settings.credentialMaxDeltaMs),
    revision: settings.revision,
    remoteTraceTarget: trace?.target ?? 0,
    remoteTraceLevel: trace?.level ?? 0,
    flags: (settings.enableBroadcast ? ConfigFlag.BROADCAST : 0) | (ndpEmulation ? ConfigFlag.NDP_EMULATION : 0),
    multicastLimit: settings.multicastLimit,
    isPublic: !settings.isPrivate,
    name: settings.name,
    mtu: settings.mtu,
    membership: issueMembershipCertificate(
      { networkId, timestamp, maxDelta: BigInt(settings.credentialMaxDeltaMs), member: identity },
      controller,
    ),
    capabilities: hasEngine ? issueCapabilities(network, member, common, controller) : [],
    tags: hasEngine ? issueTags(member, common, controller) : [],
    ownerships: issueOwnerships(addresses, common, controller),
    specialists: network.bridges.map((address) => ({ address, roles: SpecialistRole.ACTIVE_BRIDGE })),
    routes: settings.routes.map(({ target, via }) => ({ target, via, flags: 0, metric: 0 })),
    staticIps: addresses,
    rules: hasEngine ? network.rules : NO_ENGINE_RULES,
    dns: settings.dns ?? { domain: "", servers: [] },
    sso: { ...NO_SSO, enabled: settings.ssoEnabled && !member.settings.ssoExempt },
  };
}

interface Common {
  readonly networkId: bigint;
  readonly timestamp: bigint;
  readonly issuedTo: number;
}

function issueCapabilities(
  network: NetworkState,
  { settings }: MemberState,
  common: Common,
  controller: Identity,
): Capability[] {
  const issued: Capability[] = [];
  for (const id of settings.capabilities) {
    const definition = network.capabilities.get(id);
    if (definition === undefined || issued.length >= MAX_CAPABILITIES) continue;
    issued.push(issueCapability({ ...common, id, ...definition }, controller));
  }
  return issued;
}

function issueTags({ settings }: MemberState, common: Common, controller: Identity): Tag[] {
  return settings.tags.slice(0, MAX_TAGS).map(({ id, value }) => issueTag({ ...common, id, value }, controller));
}

function issueOwnerships(addresses: readonly IpPrefix[], common: Common, controller: Identity): OwnershipCertificate[] {
  if (addresses.length === 0) return [];
  const things = addresses.map(({ ip }) => ownedIp(ip));
  return [issueOwnershipCertificate({ ...common, id: OWNERSHIP_ID, things }, controller)];
}
