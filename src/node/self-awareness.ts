/**
 * What others say our address is. Roots are believed: when the IP that a root sees changes, paths of that scope are
 * asked to prove themselves again. Everybody else is only remembered, for the status display. Bounded.
 * Facts: vl1-behaviour.md §5.
 */
import type { Address } from "../protocol/address.ts";
import { SURFACE_TIMEOUT_MS } from "../protocol/constants.ts";
import { type Endpoint, endpointKey, IpScope, ipScope, ipsEqual } from "../protocol/inet-address.ts";
import type { Node } from "./node.ts";
import type { Peer } from "./peer.ts";
import type { Millis } from "./ports.ts";

const MAX_SURFACES = 256;
/** Questions that a changed surface raises at once; the paths beyond are proven by their peers' next packets. */
const MAX_PROBES = 256;

interface Surface {
  readonly reporter: Address;
  readonly physical: Endpoint;
  readonly scope: IpScope;
  surface: Endpoint;
  at: Millis;
  trusted: boolean;
}

export class SelfAwareness {
  readonly #node: Node;
  readonly #surfaces = new Map<string, Surface>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** `peer`, itself at `physical`, sees us at `surface` through our `socket`. */
  report(peer: Peer, socket: number, physical: Endpoint, surface: Endpoint, now: Millis): void {
    const scope = ipScope(surface.ip);
    if (scope !== ipScope(physical.ip) || scope <= IpScope.LOOPBACK) return;
    const trusted = this.#node.topology.upstream(peer.address) !== undefined;
    const key = `${peer.address} ${socket} ${scope} ${endpointKey(physical)}`;
    const known = this.#surfaces.get(key);
    const changed =
      trusted && known !== undefined && now - known.at < SURFACE_TIMEOUT_MS && !ipsEqual(known.surface, surface);
    if (known === undefined) {
      if (!this.#makeRoom(trusted)) return;
      this.#surfaces.set(key, { reporter: peer.address, physical, scope, surface, at: now, trusted });
    } else {
      known.surface = surface;
      known.at = now;
      known.trusted = trusted;
    }
    if (changed) this.#resetPaths(physical, scope, surface.family, now);
  }

  /** Distinct surfaces, those that roots reported first. */
  surfaces(): Endpoint[] {
    const distinct = new Map<string, Endpoint>();
    for (const trusted of [true, false]) {
      for (const entry of this.#surfaces.values()) {
        if (entry.trusted === trusted) distinct.set(endpointKey(entry.surface), entry.surface);
      }
    }
    return [...distinct.values()];
  }

  expire(now: Millis): void {
    for (const [key, { at }] of this.#surfaces) if (now - at >= SURFACE_TIMEOUT_MS) this.#surfaces.delete(key);
  }

  /** A full table gives way to roots only. */
  #makeRoom(trusted: boolean): boolean {
    if (this.#surfaces.size < MAX_SURFACES) return true;
    if (!trusted) return false;
    for (const [key, entry] of this.#surfaces) {
      if (entry.trusted) continue;
      this.#surfaces.delete(key);
      return true;
    }
    return false;
  }

  #resetPaths(physical: Endpoint, scope: IpScope, family: 4 | 6, now: Millis): void {
    for (const [key, entry] of this.#surfaces) {
      if (entry.scope === scope && endpointKey(entry.physical) !== endpointKey(physical)) this.#surfaces.delete(key);
    }
    const { topology, sender } = this.#node;
    let probes = 0;
    // Sleeping peers are left out: they have no traffic that their old paths could harm.
    for (const peer of topology.memory.awake()) {
      for (const entry of peer.paths) {
        const { path } = entry;
        if (path.scope !== scope || path.endpoint.family !== family) continue;
        entry.lastReceive = 0;
        if (probes++ < MAX_PROBES) sender.probe(peer, path.socket, path.endpoint, now);
      }
    }
  }
}
