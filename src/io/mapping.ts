/** A port that a router forwards to us, and how a router is asked for one. */
import { type Endpoint, IpScope, ipScope } from "../protocol/inet-address.ts";

export const MAPPING_PROTOCOLS = ["nat-pmp", "upnp"] as const;
export type MappingProtocol = (typeof MAPPING_PROTOCOLS)[number];

/** How long a router is asked to keep a mapping that is not renewed, seconds (vl1-behaviour.md §7). */
export const LEASE_SECONDS = 600;

/** What is to be forwarded. */
export interface MappingRequest {
  /** Our IPv4 address on the router's side. */
  readonly local: Uint8Array;
  readonly port: number;
  /** The outer port that would be best, such as the one that we had before. */
  readonly wantedPort: number;
}

/** A port that is forwarded. */
export interface Mapping {
  readonly protocol: MappingProtocol;
  /** Where others reach us by it. */
  readonly external: Endpoint;
  /** For how long, seconds; 0 = until it is taken back. */
  readonly leaseSeconds: number;
  /** Takes it back, within a second or not at all. Never rejects. */
  remove(): Promise<void>;
}

/** The mapping, or in a few words why there is none. */
export type MappingResult = Mapping | { readonly refused: string };

/** Whether others can send to `ip`: routers that have no address yet tell 0.0.0.0. */
export function isOuterAddress(ip: Uint8Array): boolean {
  const scope = ipScope(ip);
  return (
    scope !== IpScope.NONE && scope !== IpScope.LOOPBACK && scope !== IpScope.MULTICAST && scope !== IpScope.LINK_LOCAL
  );
}
