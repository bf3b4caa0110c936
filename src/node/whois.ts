/**
 * WHOIS both ways: answering for ourselves and for the peers we know, and asking roots for those we do not.
 * Facts: vl1-packets.md §5.5, vl1-behaviour.md §4.3. Ours: who asked us for a node that another root had to be
 * asked for gets the answer as soon as it comes, instead of having to ask again.
 */
import { encodeIdentity, type Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { MAX_PACKET_BYTES, PACKET_HEADER_BYTES, QUEUE_LIFETIME_MS, WHOIS_RETRY_MS } from "../protocol/constants.ts";
import { OK_BODY_OFFSET } from "../protocol/messages/ok.ts";
import { decodeWhois, encodeOkWhois, encodeWhois } from "../protocol/messages/whois.ts";
import { Verb } from "../protocol/verbs.ts";
import type { Node } from "./node.ts";
import type { Millis } from "./ports.ts";
import { WHOIS_GATE_MS } from "./rate-gate.ts";
import { replyOk } from "./reply.ts";
import type { Request } from "./request.ts";

const IDENTITY_BYTES = 71;
/** As many identities as one packet holds. */
const MAX_IDENTITIES = Math.floor((MAX_PACKET_BYTES - PACKET_HEADER_BYTES - OK_BODY_OFFSET) / IDENTITY_BYTES);
const MAX_LOOKUPS = 4096;
const MAX_ASKERS = 8;

export function handleWhois(node: Node, request: Request): boolean {
  const { peer, now } = request;
  if (!node.topology.isUpstream) {
    if (now - peer.lastWhoisAnswered < WHOIS_GATE_MS) {
      node.statistics.rateLimited.whois++;
      node.statistics.whois.rate_limited++;
      return false;
    }
    peer.lastWhoisAnswered = now;
  }
  const decoded = decodeWhois(request.payload);
  if (!decoded.ok) {
    node.statistics.whois.malformed++;
    node.drop("malformed");
    return false;
  }
  const found: Uint8Array[] = [];
  for (const address of decoded.value.addresses.slice(0, MAX_IDENTITIES)) {
    const identity = address === node.identity.address ? node.identity : node.topology.identityOf(address);
    if (identity !== undefined) {
      found.push(encodeIdentity(identity));
      node.statistics.whois.answered++;
    } else if (node.whois.ask(address, now, request)) node.statistics.whois.asked_upstream++;
    else node.statistics.whois.unknown++;
  }
  if (found.length > 0) replyOk(node, request, encodeOkWhois(found));
  return true;
}

/** One address that we ask roots for. */
interface Lookup {
  lastAsked: Millis;
  lastWanted: Millis;
  tries: number;
  readonly askers: Request[];
}

/** Asks roots for identities, every 500 ms while somebody wants to know; bounded. */
export class WhoisClient {
  readonly #node: Node;
  readonly #lookups = new Map<Address, Lookup>();
  deadline: Millis = Number.POSITIVE_INFINITY;

  constructor(node: Node) {
    this.#node = node;
  }

  get pending(): number {
    return this.#lookups.size;
  }

  /** Asks for an address, on behalf of `asker` if given. False if nobody can be asked or too much is asked. */
  ask(address: Address, now: Millis, asker?: Request): boolean {
    if (this.#node.topology.bestUpstream(now) === null) return false;
    let lookup = this.#lookups.get(address);
    if (lookup === undefined) {
      if (this.#lookups.size >= MAX_LOOKUPS) return false;
      lookup = { lastAsked: 0, lastWanted: now, tries: 0, askers: [] };
      this.#lookups.set(address, lookup);
    }
    lookup.lastWanted = now;
    if (asker !== undefined && lookup.askers.length < MAX_ASKERS) {
      lookup.askers.push({ ...asker, payload: new Uint8Array(0) });
    }
    if (now - lookup.lastAsked >= WHOIS_RETRY_MS) this.#send(address, lookup, now);
    this.deadline = Math.min(this.deadline, now + WHOIS_RETRY_MS);
    return true;
  }

  /** An upstream answered with an identity. Only what was asked for is taken. */
  answered(identity: Identity, now: Millis): void {
    const lookup = this.#lookups.get(identity.address);
    if (lookup === undefined || identity.address === this.#node.identity.address) return;
    this.#lookups.delete(identity.address);
    const peer = this.#node.topology.peer(identity.address) ?? this.#node.topology.addPeer(identity);
    this.#node.peerKnown(peer, now);
    const body = encodeOkWhois([encodeIdentity(peer.identity)]);
    for (const asker of lookup.askers) replyOk(this.#node, { ...asker, now }, body);
  }

  tick(now: Millis): void {
    if (now < this.deadline) return;
    this.deadline = Number.POSITIVE_INFINITY;
    for (const [address, lookup] of this.#lookups) {
      if (now - lookup.lastWanted >= QUEUE_LIFETIME_MS) {
        this.#lookups.delete(address);
        continue;
      }
      if (now - lookup.lastAsked >= WHOIS_RETRY_MS) this.#send(address, lookup, now);
      this.deadline = Math.min(this.deadline, lookup.lastAsked + WHOIS_RETRY_MS);
    }
  }

  /** The best root first. A root asks all the others at once, a leaf from the second try on. */
  #send(address: Address, lookup: Lookup, now: Millis): void {
    const { topology, sender } = this.#node;
    lookup.lastAsked = now;
    lookup.tries++;
    const payload = encodeWhois({ addresses: [address] });
    const best = topology.bestUpstream(now);
    if (best !== null) sender.toPeer(best, Verb.WHOIS, payload, now);
    if (!topology.isUpstream && lookup.tries < 2) return;
    for (const { identity } of topology.upstreams()) {
      const other = topology.peer(identity.address);
      if (other !== undefined && other !== best) sender.toPeer(other, Verb.WHOIS, payload, now);
    }
  }
}
