/**
 * Introductions: telling two peers each other's address, so that they can do without us.
 * Facts: vl1-behaviour.md §4.2, vl1-packets.md §5.6, vl1-identity-crypto.md §4 (which suites a receiver takes).
 */
import type { Node } from "../node/node.ts";
import type { Path } from "../node/path.ts";
import type { Peer } from "../node/peer.ts";
import type { Millis } from "../node/ports.ts";
import { PATH_EXPIRATION_MS } from "../protocol/constants.ts";
import { encodeRendezvous } from "../protocol/messages/rendezvous.ts";
import { Verb } from "../protocol/verbs.ts";

/** The paths by which two peers could meet. */
export interface Meeting {
  readonly ofA: Path;
  readonly ofB: Path;
}

/** Most private scope first, IPv6 before IPv4: the first (scope, family) that both have. Null if there is none. */
export function findMeeting(a: Peer, b: Peer, now: Millis): Meeting | null {
  for (let scope = 7; scope >= 0; scope--) {
    for (const family of [6, 4] as const) {
      const ofA = currentOf(a, scope, family, now);
      const ofB = ofA === null ? null : currentOf(b, scope, family, now);
      if (ofA !== null && ofB !== null) return { ofA, ofB };
    }
  }
  return null;
}

/** Of the unexpired paths with that scope and family the one heard last: where the peer is now. */
function currentOf(peer: Peer, scope: number, family: 4 | 6, now: Millis): Path | null {
  let current: Path | null = null;
  for (const { path, lastReceive } of peer.paths) {
    if (path.scope !== scope || path.endpoint.family !== family || now - lastReceive >= PATH_EXPIRATION_MS) continue;
    if (current === null || path.lastIn > current.lastIn) current = path;
  }
  return current;
}

/** Sends RENDEZVOUS to both, in random order. False if they have no family and scope in common. */
export function introduce(node: Node, a: Peer, b: Peer, now: Millis): boolean {
  const meeting = findMeeting(a, b, now);
  if (meeting === null) return false;
  const { ofA, ofB } = meeting;
  if (node.sender.packetId()[0]! & 1) {
    tell(node, a, ofA, b, ofB, now);
    tell(node, b, ofB, a, ofA, now);
  } else {
    tell(node, b, ofB, a, ofA, now);
    tell(node, a, ofA, b, ofB, now);
  }
  node.ports.events({ type: "pair-introduced", a: a.address, b: b.address, family: ofA.endpoint.family });
  return true;
}

/**
 * Tells `to`, over `via`, that `about` is at `at`. Every receiver takes suite 1, and deriving an AES schedule costs more
 * than all the rest: a root with more peers than schedules would do it for nearly every introduction.
 */
function tell(node: Node, to: Peer, via: Path, about: Peer, at: Path, now: Millis): void {
  const payload = encodeRendezvous({ flags: 0, peer: about.address, endpoint: at.endpoint });
  const suite = to.key?.hasAes ? undefined : 1;
  node.sender.onPath(via, node.sender.seal(to, Verb.RENDEZVOUS, payload, suite), now);
  if (at.endpoint.family === 4) node.statistics.rendezvous.ipv4++;
  else node.statistics.rendezvous.ipv6++;
}
