/**
 * THE NODE: bytes and time in, bytes and events out. Receives what is addressed to us, authenticates it, hands it
 * to the verb's handler, and does what every node does in time (keep-alive, retries, housekeeping). Roles
 * (root, leaf, controller) add handlers. No sockets, no clock, no timers, no randomness of its own.
 * Facts: vl1-packets.md §1, §3, §5; vl1-behaviour.md §2, §3.
 */
import type { Identity } from "../identity/identity.ts";
import { type Address, isReservedAddress } from "../protocol/address.ts";
import { CipherSuite, dearmor, trustedPathId } from "../protocol/armor.ts";
import { decompressPayload } from "../protocol/compression.ts";
import { PATH_EXPIRATION_MS, QUEUE_ENTRIES, QUEUE_LIFETIME_MS } from "../protocol/constants.ts";
import { fragmentDestination, Reassembly } from "../protocol/fragment.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { ConfigAcknowledgement } from "../protocol/messages/network-config.ts";
import {
  beaconSender,
  cipherSuiteOf,
  classifyDatagram,
  destinationOf,
  hopsOf,
  isFragmented,
  packetIdOf,
  payloadOf,
  sourceOf,
  verbOf,
} from "../protocol/packet.ts";
import { Verb } from "../protocol/verbs.ts";
import type { World } from "../world/world.ts";
import { NO_SLOT } from "./address-index.ts";
import { handleEcho } from "./echo.ts";
import { handleError } from "./error.ts";
import { HelloReceiver } from "./hello.ts";
import { sendHello } from "./hello-out.ts";
import { Keepalive } from "./keepalive.ts";
import { handleConfigRequest, handleCredentials, ignoreCounted, ignoreUncounted } from "./minor-verbs.ts";
import { handleOk } from "./ok.ts";
import { PathTable, pathKey } from "./path.ts";
import { Peer, type PeerPath } from "./peer.ts";
import type { Bonder } from "./peer-bond.ts";
import type { PhysicalRules } from "./physical.ts";
import type { CachedPeer, Datagram, Millis, NodePorts, Timed } from "./ports.ts";
import { handlePushDirectPaths } from "./push-direct-paths.ts";
import { BEACON_GATE_MS, type IdentityGateLimits } from "./rate-gate.ts";
import { received } from "./received.ts";
import { rememberPeers } from "./remember.ts";
import { handleRendezvous } from "./rendezvous.ts";
import type { ErrorHandler, Handler, OkHandler, Request } from "./request.ts";
import { Rounds } from "./rounds.ts";
import { SelfAwareness } from "./self-awareness.ts";
import { Sender } from "./send.ts";
import { SocketWatch } from "./socket-watch.ts";
import { type DropReason, NodeStatistics } from "./statistics.ts";
import { Topology } from "./topology.ts";
import { unprovenPath } from "./unproven.ts";
import { handleUserMessage } from "./user-message.ts";
import { ReceiveQueue, SendQueue } from "./waiting.ts";
import { handleWhois, WhoisClient } from "./whois.ts";
import { WorldHandout } from "./world-handout.ts";
import { Worlds } from "./worlds.ts";

/** What a node is made from. */
export interface NodeOptions {
  /** With its secret. */
  readonly identity: Identity;
  readonly planet: World;
  readonly moons: readonly World[];
  /** What the peer cache remembers. */
  readonly peers?: Iterable<CachedPeer>;
  readonly physical: PhysicalRules;
  readonly maxPeers: number;
  /** Of these, how many have objects at a time (peer-memory.ts); the default suits everybody but tests. */
  readonly maxAwakePeers?: number;
  readonly identityGate: IdentityGateLimits;
  /** Identities that may wait for their validation. */
  readonly maxValidations: number;
  readonly lowBandwidth?: boolean;
  readonly now: Millis;
}

/** Receive-side reassembly: entries in all, and per physical source. A root serves many fragmenting clients. */
const MAX_REASSEMBLIES = 1024;
const MAX_REASSEMBLIES_PER_SOURCE = 32;
/** A root among other roots may wait for many identities at once. */
const MAX_SEND_QUEUE_ADDRESSES = 1024;
const MAX_UNOPENED = 256;
/** Where packets to ourselves seem to come from. */
const NO_SOCKET = -1;
const NOWHERE: Endpoint = { family: 4, ip: new Uint8Array(4), port: 0 };

export class Node {
  readonly identity: Identity;
  readonly ports: NodePorts;
  readonly statistics = new NodeStatistics();
  readonly worlds: Worlds;
  readonly topology: Topology;
  readonly paths = new PathTable();
  readonly sender: Sender;
  readonly hello: HelloReceiver;
  readonly whois: WhoisClient;
  readonly selfAwareness: SelfAwareness;
  readonly socketWatch: SocketWatch;
  readonly handout: WorldHandout;
  readonly rounds: Rounds;
  readonly keepalive: Keepalive;
  readonly reassembly: Reassembly;
  readonly unopened = new ReceiveQueue(MAX_UNOPENED, QUEUE_LIFETIME_MS);
  readonly unsent = new SendQueue(MAX_SEND_QUEUE_ADDRESSES, QUEUE_ENTRIES, QUEUE_LIFETIME_MS);
  readonly maxValidations: number;
  /** One handler a verb; roles fill in theirs. */
  readonly handlers: (Handler | undefined)[] = new Array(32).fill(ignoreCounted);
  /** What is done with an OK to one of our requests, by the verb that it answers; roles fill in theirs. */
  readonly okHandlers: (OkHandler | undefined)[] = new Array(32).fill(undefined);
  /** Told of every ERROR that comes in. */
  readonly errorHandlers: ErrorHandler[] = [];
  /** What has things to do by the clock besides the node itself. */
  readonly timed: Timed[] = [];
  /** Outer addresses that routers forward to us, as the edge found out; told to those who could come directly. */
  mapped: readonly Endpoint[] = [];
  /** Told when a peer that had a path has got another one; the root role fills it in. */
  peerMoved: (peer: Peer, now: Millis) => void = () => {};
  /** Told when a member has the whole of a configuration that it did not ask for; the controller role fills it in. */
  configAcknowledged: (from: Address, acknowledgement: ConfigAcknowledgement) => void = () => {};
  /** Bonds peers, where that is wanted (bonding/bonds.ts). */
  bonder: Bonder | null = null;
  readonly #self: Peer;
  #lastBeacon: Millis = 0;

  constructor(options: NodeOptions, ports: NodePorts) {
    this.identity = options.identity;
    this.ports = ports;
    this.#self = new Peer(options.identity.publicOnly(), NO_SLOT);
    this.maxValidations = options.maxValidations;
    this.worlds = new Worlds(options.planet, options.moons, ports.worlds);
    this.topology = new Topology(
      options.identity,
      this.worlds,
      this.paths,
      options.physical,
      options.maxPeers,
      ports.random,
      options.maxAwakePeers,
    );
    this.sender = new Sender(this.topology, ports, this.statistics);
    this.sender.greet = (peer, socket, endpoint, now) => sendHello(this, peer, socket, endpoint, now);
    this.hello = new HelloReceiver(this, options.identityGate);
    this.whois = new WhoisClient(this);
    this.selfAwareness = new SelfAwareness(this);
    this.socketWatch = new SocketWatch(this);
    this.handout = new WorldHandout(this);
    this.rounds = new Rounds(this);
    this.keepalive = new Keepalive(this, options.lowBandwidth ?? false, options.now);
    this.reassembly = new Reassembly({ capacity: MAX_REASSEMBLIES, perSource: MAX_REASSEMBLIES_PER_SOURCE });
    this.topology.onEvicted = (address, reason) => this.#evicted(address, reason);
    this.handlers[Verb.ERROR] = handleError;
    this.handlers[Verb.OK] = handleOk;
    this.handlers[Verb.WHOIS] = handleWhois;
    this.handlers[Verb.RENDEZVOUS] = handleRendezvous;
    this.handlers[Verb.ECHO] = handleEcho;
    this.handlers[Verb.NETWORK_CREDENTIALS] = handleCredentials;
    this.handlers[Verb.NETWORK_CONFIG_REQUEST] = handleConfigRequest;
    this.handlers[Verb.PUSH_DIRECT_PATHS] = handlePushDirectPaths;
    this.handlers[Verb.USER_MESSAGE] = handleUserMessage;
    this.handlers[Verb.ACK] = ignoreUncounted;
    this.handlers[Verb.QOS_MEASUREMENT] = ignoreUncounted;
    this.handlers[Verb.PATH_NEGOTIATION_REQUEST] = ignoreUncounted;
    rememberPeers(this, options.peers ?? [], options.now);
    this.rounds.census.countAll(options.now);
  }

  /** A datagram for us (or too odd to be for anybody). Never throws; what is refused is counted. */
  receive(datagram: Datagram, now: Millis): void {
    this.topology.settle(now);
    const { bytes, from, socket } = datagram;
    const kind = classifyDatagram(bytes);
    if (kind === "beacon") return this.#beacon(beaconSender(bytes), from, socket, now);
    if (kind === "ignored") return this.drop("runt");
    if (this.topology.physical.isBlacklisted(from)) return this.drop("blacklisted");
    const key = pathKey(socket, from);
    let packet: Uint8Array | null = bytes;
    if (kind === "fragment") {
      const ours = fragmentDestination(bytes) === this.identity.address;
      packet = ours ? this.reassembly.fragment(key, bytes, now) : null;
    } else if (destinationOf(bytes) !== this.identity.address) packet = null;
    else if (isFragmented(bytes)) packet = this.reassembly.head(key, bytes, now);
    if (packet !== null) this.open(packet, bytes.length, from, socket, key, now);
    else this.countReassembly();
  }

  /** Fragments that were refused and packets that were never completed, as a drop reason. */
  countReassembly(): void {
    const { refused, evicted, expired } = this.reassembly;
    this.statistics.drops.bad_fragment = refused + evicted + expired;
  }

  /** A whole packet. `bytes` is the length of the datagram that brought its last piece. */
  open(packet: Uint8Array, bytes: number, from: Endpoint, socket: number, key: string, now: Millis): void {
    const source = sourceOf(packet);
    if (source === this.identity.address) return this.drop("from_self");
    if (isReservedAddress(source)) return this.drop("reserved_address");
    const suite = cipherSuiteOf(packet);
    if (suite === CipherSuite.POLY1305_NONE && verbOf(packet) === Verb.HELLO) {
      this.hello.receive(packet, bytes, from, socket, key, now);
      return;
    }
    const peer = this.topology.peer(source);
    if (peer === undefined) {
      this.#waitForIdentity(source, packet, from, socket, now);
      return;
    }
    if (suite === CipherSuite.NO_CRYPTO_TRUSTED_PATH) {
      if (!this.topology.physical.trusts(from, trustedPathId(packet))) return this.drop("bad_cipher");
    } else if (suite > CipherSuite.AES_GMAC_SIV) return this.drop("bad_cipher");
    else if (!dearmor(packet, this.sender.keyOf(peer))) return this.drop("bad_mac");
    const plain = decompressPayload(packet);
    if (plain === null) return this.drop("bad_compression");
    this.#dispatch(peer, plain, bytes, from, socket, key, now);
  }

  #dispatch(
    peer: Peer,
    packet: Uint8Array,
    bytes: number,
    from: Endpoint,
    socket: number,
    key: string,
    now: Millis,
  ): void {
    const verb = verbOf(packet);
    const request: Request = {
      peer,
      packetId: packetIdOf(packet),
      verb,
      payload: payloadOf(packet),
      hops: hopsOf(packet),
      socket,
      from,
      pathKey: key,
      bytes,
      now,
    };
    this.statistics.packetsIn[verb]!++;
    this.grantCredit(request);
    const handler = verb === Verb.HELLO || peer.bond?.admits(request) === false ? undefined : this.handlers[verb];
    if (handler === undefined || handler(this, request)) received(this, request);
  }

  /** The identity at an address: our own, or a peer's; null if it is not known. */
  identityOf(address: Address): Identity | null {
    return address === this.identity.address ? this.identity : (this.topology.identityOf(address) ?? null);
  }

  /** Bytes that came from an unproven place may be answered there, and no more than these. */
  grantCredit(request: Request): void {
    if (this.paths.find(request.pathKey) !== undefined) return;
    unprovenPath(request.peer, request.pathKey, request.socket, request.from, request.now).credit += request.bytes;
  }

  /**
   * Sends a complete packet to a peer that must be known; else asks for its identity and queues. False if full.
   * `compress`: as `Sender.toPeer` has it.
   */
  send(to: Address, verb: Verb, payload: Uint8Array, now: Millis, compress?: boolean): boolean {
    if (to === this.identity.address) return this.#toSelf(verb, payload, now);
    const peer = this.topology.peer(to);
    if (peer !== undefined && this.sender.toPeer(peer, verb, payload, now, compress)) return true;
    if (peer === undefined) this.whois.ask(to, now);
    const queued = this.unsent.add(to, { verb, payload, at: now, compress });
    if (!queued) this.drop("queue_full");
    return queued;
  }

  /** A member of a network that this node controls itself: its packets to itself never leave the process. */
  #toSelf(verb: Verb, payload: Uint8Array, now: Millis): boolean {
    const packetId = new DataView(this.sender.packetId().slice().buffer).getBigUint64(0);
    this.sender.expected.add(packetId);
    const request: Request = {
      peer: this.#self,
      packetId,
      verb,
      payload: new Uint8Array(payload),
      hops: 0,
      socket: NO_SOCKET,
      from: NOWHERE,
      pathKey: "",
      bytes: payload.length,
      now,
    };
    this.handlers[verb]?.(this, request);
    return true;
  }

  /** An identity became known (HELLO, WHOIS, a world) or reachable: whatever waited for it goes on. */
  peerKnown(peer: Peer, now: Millis): void {
    for (const { verb, payload, compress } of this.unsent.take(peer.address, now)) {
      if (!this.sender.toPeer(peer, verb, payload, now, compress)) this.drop("unknown_destination");
    }
    for (const { packet, from, socket } of this.unopened.take(peer.address, now)) {
      this.open(packet, packet.length, from, socket, pathKey(socket, from), now);
    }
  }

  /** The answer of the identity validator to `ticket`. */
  identityValidated(ticket: number, valid: boolean, now: Millis): void {
    this.topology.settle(now);
    this.hello.validated(ticket, valid, now);
  }

  /** Does what is due. Cheap when nothing is. */
  tick(now: Millis): void {
    this.topology.settle(now);
    this.keepalive.tick(now);
    this.rounds.tick(now);
    this.whois.tick(now);
    this.handout.tick(now);
    for (const role of this.timed) role.tick(now);
  }

  /** When `tick` wants to be called next. */
  nextDeadline(): Millis {
    const { keepalive, rounds, whois, handout } = this;
    let least = Math.min(keepalive.deadline, rounds.deadline, whois.deadline, handout.deadline);
    for (const role of this.timed) least = Math.min(least, role.nextDeadline());
    return least;
  }

  drop(reason: DropReason): void {
    this.statistics.drops[reason]++;
  }

  /** A world may have changed: upstreams are found again, and clients that have an older one are told. */
  worldAdopted(world: World, now: Millis): void {
    this.topology.refreshUpstreams();
    this.keepalive.soon(now);
    this.handout.offer(now);
    this.ports.events({ type: "world-updated", id: world.id, timestamp: world.timestamp });
  }

  /** Writes down what the cache should remember of a peer. */
  cachePeer(peer: Peer, now: Millis): void {
    peer.cachedAt = now;
    this.ports.peerCache.put({
      identity: peer.identity,
      protocolVersion: peer.protocolVersion,
      version: peer.version ?? [0, 0, 0],
      lastReceive: peer.lastReceive,
      paths: peer.paths.map(({ path, lastReceive }) => ({
        endpoint: path.endpoint,
        local: this.ports.outbox.sockets().find(({ id }) => id === path.socket)?.local ?? null,
        lastReceive,
      })),
    });
  }

  #waitForIdentity(source: Address, packet: Uint8Array, from: Endpoint, socket: number, now: Millis): void {
    if (!this.whois.ask(source, now)) return this.drop("unknown_source");
    if (!this.unopened.add({ source, packet, from, socket, at: now })) this.drop("queue_full");
  }

  /** A legacy LAN beacon from a known peer at a usable address is answered with a NOP, seldom. */
  #beacon(sender: Address, from: Endpoint, socket: number, now: Millis): void {
    const peer = this.topology.peer(sender);
    const known = peer !== undefined && this.paths.find(pathKey(socket, from)) !== undefined;
    if (!known) return this.drop("unknown_source");
    if (now - this.#lastBeacon < BEACON_GATE_MS) {
      this.statistics.rateLimited.beacon++;
      return;
    }
    this.#lastBeacon = now;
    this.sender.direct(peer, socket, from, Verb.NOP, new Uint8Array(0));
  }

  /** The path we would use to a peer now, if there is one. */
  pathTo(peer: Peer, now: Millis): PeerPath | null {
    return this.topology.isUpstream ? peer.currentPath(now) : peer.bestPath(now);
  }

  /** Tells the relay where this peer is reached now. */
  installRoute(peer: Peer, now: Millis): void {
    const best = this.pathTo(peer, now);
    if (best === null) this.ports.routes.remove(peer.address);
    else
      this.ports.routes.install(
        peer.address,
        best.path.socket,
        best.path.endpoint,
        best.lastReceive + PATH_EXPIRATION_MS,
      );
  }

  #evicted(address: Address, reason: "silent" | "table-full"): void {
    this.ports.routes.remove(address);
    if (reason === "table-full") {
      this.statistics.peersEvicted++;
      this.ports.peerCache.remove(address);
    }
    this.ports.events({ type: "peer-evicted", address, reason });
  }
}
