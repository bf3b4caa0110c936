/** GET /peer and /peer/{address}: local-api.md §3. */

import type { JsonObject } from "../../json/json.ts";
import type { PathView, PeerView } from "../../node/queries.ts";
import { formatAddress, parseAddress } from "../../protocol/address.ts";
import { formatEndpoint } from "../../protocol/inet-address.ts";
import { json } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

const UNKNOWN_VERSION = [-1, -1, -1] as const;

function pathObject(path: PathView): JsonObject {
  return {
    active: !path.expired,
    address: formatEndpoint(path.endpoint),
    expired: path.expired,
    lastReceive: Math.trunc(path.lastReceive),
    lastSend: Math.trunc(path.lastSend),
    // Only bonded paths tell their port.
    localPort: 0,
    localSocket: path.socket,
    preferred: path.preferred,
    trustedPathId: path.trustedPathId,
  };
}

function peerObject(peer: PeerView): JsonObject {
  const [major, minor, revision] = peer.version ?? UNKNOWN_VERSION;
  return {
    address: formatAddress(peer.address),
    isBonded: false,
    latency: Math.trunc(peer.latencyMs),
    paths: peer.paths.map(pathObject),
    role: peer.role,
    tunneled: false,
    version: `${major}.${minor}.${revision}`,
    versionMajor: major,
    versionMinor: minor,
    versionRev: revision,
  };
}

export function peerRoutes(backend: ServiceBackend): Route[] {
  const { node } = backend;
  return [
    route("GET", "/peer", () =>
      json(
        node
          .peers(backend.now())
          .filter((peer) => peer.address !== node.identity.address)
          .map(peerObject),
      ),
    ),
    // An unknown peer, and ourselves, is an empty object and no error.
    route("GET", "/peer/{10}", (_request, [digits]) => {
      const address = parseAddress(digits ?? "");
      const known = address !== null && address !== node.identity.address;
      const peer = known ? node.peer(address, backend.now()) : null;
      return json(peer === null ? {} : peerObject(peer));
    }),
  ];
}
