/** Changing who is in a world and where: the edits that `orrery world forge` and `rotate` take from their flags. */
import type { Identity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";
import { type Endpoint, endpointsEqual, formatEndpoint, parseEndpoint } from "../protocol/inet-address.ts";
import { WorldError } from "../world/forge.ts";
import type { WorldRoot } from "../world/world.ts";
import { findIdentity } from "./identity-argument.ts";

/** What shall become of the endpoints of one root and of the list of roots. */
export interface WorldEdit {
  /** Replaces all endpoints, unless empty. */
  readonly endpoints: readonly Endpoint[];
  readonly addEndpoints: readonly Endpoint[];
  readonly removeEndpoints: readonly Endpoint[];
  /** Added, or replacing the root of the same address. */
  readonly addRoots: readonly WorldRoot[];
  /** Ten-digit addresses. */
  readonly removeRoots: readonly string[];
}

/** An edited list of roots, and the endpoints that were in the old one and are in the new one no more. */
export interface EditedRoots {
  readonly roots: readonly WorldRoot[];
  readonly dropped: readonly Endpoint[];
}

/** Parses `ip/port`; throws WorldError with an example otherwise. */
export function requireEndpoint(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === null) throw new WorldError(`"${text}" is not an endpoint: write IP/PORT, as in 203.0.113.9/9993`);
  return endpoint;
}

/** Parses `identity=endpoint,endpoint`, where identity is a text or a file; the endpoints may be missing. */
export function requireRoot(text: string): WorldRoot {
  const split = text.lastIndexOf("=");
  const who = split < 0 ? text : text.slice(0, split);
  const identity = findIdentity(who);
  if (identity === null) throw new WorldError(`"${who}" is neither an identity nor a readable file with one`);
  const endpoints = split < 0 ? [] : text.slice(split + 1).split(",");
  return {
    identity: identity.publicOnly(),
    stableEndpoints: endpoints.filter((part) => part !== "").map(requireEndpoint),
  };
}

/**
 * Applies `edit`; endpoint changes concern the root of `own`. Throws WorldError when something is to be removed that
 * is not there, or when endpoints shall change and `own` is no root of this world.
 */
export function editRoots(roots: readonly WorldRoot[], own: Identity | null, edit: WorldEdit): EditedRoots {
  const changesEndpoints = edit.endpoints.length + edit.addEndpoints.length + edit.removeEndpoints.length > 0;
  const mine = own === null ? undefined : roots.find((root) => root.identity.equals(own));
  if (changesEndpoints && mine === undefined) {
    throw new WorldError("this home's identity is no root of this world, so its endpoints cannot be changed here");
  }
  for (const address of edit.removeRoots) {
    if (!roots.some((root) => formatAddress(root.identity.address) === address)) {
      throw new WorldError(`${address} is no root of this world`);
    }
  }
  const replaced = new Set(edit.addRoots.map((root) => root.identity.address));
  const edited = roots
    .filter((root) => !edit.removeRoots.includes(formatAddress(root.identity.address)))
    .filter((root) => !replaced.has(root.identity.address))
    .map((root) => (root === mine && changesEndpoints ? withEndpoints(root, edit) : root));
  const result = [...edited, ...edit.addRoots];
  const kept = result.flatMap((root) => root.stableEndpoints);
  const dropped = roots
    .flatMap((root) => root.stableEndpoints)
    .filter((endpoint) => !kept.some((other) => endpointsEqual(other, endpoint)));
  return { roots: result, dropped };
}

function withEndpoints(root: WorldRoot, edit: WorldEdit): WorldRoot {
  const base = edit.endpoints.length > 0 ? edit.endpoints : root.stableEndpoints;
  for (const endpoint of edit.removeEndpoints) {
    if (!base.some((other) => endpointsEqual(other, endpoint))) {
      throw new WorldError(
        `${formatEndpoint(endpoint)} is no endpoint of this root; it has ${base.map(formatEndpoint).join(", ") || "none"}`,
      );
    }
  }
  const left = base.filter((endpoint) => !edit.removeEndpoints.some((other) => endpointsEqual(other, endpoint)));
  const added = edit.addEndpoints.filter((endpoint) => !left.some((other) => endpointsEqual(other, endpoint)));
  return { identity: root.identity, stableEndpoints: [...left, ...added] };
}
