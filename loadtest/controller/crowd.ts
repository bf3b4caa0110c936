/**
 * A root and thousands of members of one network in one process, to load a controller with: the controller knows nobody
 * but the root, asks it who the members are, and answers them through it. So members need no identity that any check
 * would pass, and any controller can be driven, ours or another.
 */
import { createSocket, type Socket } from "node:dgram";
import { publicFromSecret, SECRET_KEY_BYTES } from "../../src/crypto/c25519.ts";
import { Identity } from "../../src/identity/identity.ts";
import { encodeRequestMetadata } from "../../src/network/request-metadata.ts";
import { Node } from "../../src/node/node.ts";
import { PhysicalRules } from "../../src/node/physical.ts";
import type { Datagram, LocalSocket, Outbox } from "../../src/node/ports.ts";
import type { Address } from "../../src/protocol/address.ts";
import { armor, dearmor, PeerKey } from "../../src/protocol/armor.ts";
import { decompressPayload } from "../../src/protocol/compression.ts";
import { fragmentDestination, maxPacketBytes, Reassembly, splitPacket } from "../../src/protocol/fragment.ts";
import { type Endpoint, formatIp, makeEndpoint, parseIp } from "../../src/protocol/inet-address.ts";
import { encodeConfigAcknowledgement } from "../../src/protocol/messages/network-config.ts";
import { encodeNetworkConfigRequest } from "../../src/protocol/messages/network-config-request.ts";
import { decodeOk, encodeOk } from "../../src/protocol/messages/ok.ts";
import {
  classifyDatagram,
  destinationOf,
  isFragmented,
  markFragmented,
  newPacket,
  payloadOf,
  setHops,
  sourceOf,
  verbOf,
} from "../../src/protocol/packet.ts";
import { Verb } from "../../src/protocol/verbs.ts";
import type { World } from "../../src/world/world.ts";

const PHYSICAL_MTU = 1432;
const LIFETIME_MS = 86_400_000;
const FIRST_ADDRESS = 0x2000000000;

/** One member of the crowd. */
export interface Member {
  readonly identity: Identity;
  readonly key: PeerKey;
  /** When its last request went out, and whether that was answered (ms). */
  askedAt: number;
  answered: boolean;
}

export interface CrowdCounts {
  requests: number;
  /** Configurations that were asked for, and that were not. */
  answers: number;
  pushes: number;
  refusals: number;
}

/** What a 1.14.1 client says of itself. */
const METADATA = encodeRequestMetadata({
  formatVersion: 7,
  vendor: 1,
  protocolVersion: 12,
  versionMajor: 1,
  versionMinor: 14,
  versionRevision: 1,
  rulesEngineRevision: 1,
  platform: "linux/x86_64",
  credential: "",
});

export class Crowd {
  readonly counts: CrowdCounts = { requests: 0, answers: 0, pushes: 0, refusals: 0 };
  readonly members = new Map<Address, Member>();
  /** Told of each answer and push. */
  onConfig: (member: Member, pushed: boolean) => void = () => {};
  readonly #socket: Socket;
  readonly #node: Node;
  readonly #root: Identity;
  readonly #reassembly = new Reassembly({ capacity: 20_000, perSource: 20_000 });
  readonly #random: (into: Uint8Array) => void;
  #controller: { readonly identity: Identity; readonly endpoint: Endpoint } | null = null;
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    root: Identity,
    planet: World,
    local: Endpoint,
    socket: Socket,
    random: (into: Uint8Array) => void,
  ) {
    this.#root = root;
    this.#socket = socket;
    this.#random = random;
    const outbox: Outbox = {
      send: (_socket, to, bytes) => this.#send(to, bytes),
      sockets: (): LocalSocket[] => [{ id: 1, local, primary: true }],
    };
    this.#node = new Node(
      {
        identity: root,
        planet,
        moons: [],
        physical: new PhysicalRules(),
        maxPeers: 200_000,
        identityGate: { perPrefixPerMinute: 60_000, perPrefixBurst: 60_000, perSecond: 1000 },
        maxValidations: 100,
        now: Date.now(),
      },
      {
        outbox,
        random,
        validator: {
          validate: (ticket) => {
            setImmediate(() => this.#node.identityValidated(ticket, true, Date.now()));
            return true;
          },
        },
        peerCache: { put: () => {}, remove: () => {} },
        routes: { install: () => {}, remove: () => {} },
        worlds: { savePlanet: () => {}, saveMoon: () => {}, removeMoon: () => {} },
        events: () => {},
      },
    );
  }

  static async open(
    root: Identity,
    planet: World,
    ip: string,
    port: number,
    random: (into: Uint8Array) => void,
  ): Promise<Crowd> {
    const socket = createSocket({ type: "udp4", recvBufferSize: 8 << 20, sendBufferSize: 8 << 20 });
    await new Promise<void>((resolve) => socket.bind(port, ip, resolve));
    const crowd = new Crowd(root, planet, makeEndpoint(parseIp(ip)!, port), socket, random);
    socket.on("message", (bytes, from) =>
      crowd.#receive(new Uint8Array(bytes), makeEndpoint(parseIp(from.address)!, from.port)),
    );
    crowd.#tick();
    return crowd;
  }

  /** Makes members; their addresses follow from nothing, which a root may say and nobody checks. */
  add(count: number): void {
    for (let i = 0; i < count; i++) {
      const identity = cheapIdentity(this.members.size + 1, this.#random);
      // Members never talk to the root itself, which would forget them.
      this.#node.topology.addPeer(identity).lastReceive = Date.now() + LIFETIME_MS;
      const key = new PeerKey(identity.agree(this.#controller!.identity));
      this.members.set(identity.address, { identity, key, askedAt: 0, answered: true });
    }
  }

  /** Whom to load; to be called before members are made. */
  target(identity: Identity, endpoint: Endpoint): void {
    this.#controller = { identity, endpoint };
    this.#node.topology.addPeer(identity);
  }

  /** One request of one member. */
  ask(member: Member, networkId: bigint, now: number): void {
    const payload = encodeNetworkConfigRequest({ networkId, metadata: METADATA, revision: 0n, timestamp: 0n });
    member.askedAt = now;
    member.answered = false;
    this.counts.requests++;
    this.#fromMember(member, Verb.NETWORK_CONFIG_REQUEST, payload);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #tick(): void {
    this.#node.tick(Date.now());
    this.#timer = setTimeout(() => this.#tick(), 50);
  }

  #fromMember(member: Member, verb: Verb, payload: Uint8Array): void {
    const id = new Uint8Array(8);
    this.#random(id);
    const packet = newPacket(id, this.#controller!.identity.address, member.identity.address, verb, payload);
    if (packet.length > PHYSICAL_MTU && packet.length <= maxPacketBytes(PHYSICAL_MTU)) markFragmented(packet);
    armor(packet, member.key, 1);
    for (const datagram of splitPacket(packet, PHYSICAL_MTU)) {
      if (datagram === packet) setHops(datagram, 1);
      this.#send(this.#controller!.endpoint, datagram);
    }
  }

  #send(to: Endpoint, bytes: Uint8Array): void {
    this.#socket.send(bytes, to.port, formatIp(to.ip));
  }

  #receive(bytes: Uint8Array, from: Endpoint): void {
    const now = Date.now();
    const kind = classifyDatagram(bytes);
    if (kind !== "packet" && kind !== "fragment") return;
    const destination = kind === "fragment" ? fragmentDestination(bytes) : destinationOf(bytes);
    if (destination === this.#root.address) {
      const datagram: Datagram = { bytes, from, socket: 1 };
      this.#node.receive(datagram, now);
      return;
    }
    const member = this.members.get(destination);
    if (member === undefined) return;
    let whole: Uint8Array | null = bytes;
    if (kind === "fragment") whole = this.#reassembly.fragment("c", bytes, now);
    else if (isFragmented(bytes)) whole = this.#reassembly.head("c", bytes, now);
    if (whole !== null) this.#forMember(member, whole);
  }

  #forMember(member: Member, packet: Uint8Array): void {
    if (sourceOf(packet) !== this.#controller?.identity.address || !dearmor(packet, member.key)) return;
    const plain = decompressPayload(packet);
    if (plain === null) return;
    switch (verbOf(plain)) {
      case Verb.OK: {
        const ok = decodeOk(payloadOf(plain));
        if (!ok.ok || ok.value.inReVerb !== Verb.NETWORK_CONFIG_REQUEST) return;
        this.counts.answers++;
        member.answered = true;
        this.onConfig(member, false);
        return;
      }
      case Verb.NETWORK_CONFIG: {
        this.counts.pushes++;
        this.onConfig(member, true);
        this.#acknowledge(member, plain);
        return;
      }
      case Verb.ERROR:
        this.counts.refusals++;
        member.answered = true;
        return;
      default:
    }
  }

  /** As a member does when it has the whole configuration. */
  #acknowledge(member: Member, packet: Uint8Array): void {
    const payload = payloadOf(packet);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const sliceBytes = view.getUint16(8);
    const body = encodeConfigAcknowledgement({
      networkId: view.getBigUint64(0),
      updateId: view.getBigUint64(11 + sliceBytes),
    });
    const packetId = new DataView(packet.buffer, packet.byteOffset).getBigUint64(0);
    this.#fromMember(member, Verb.OK, encodeOk(Verb.ECHO, packetId, body));
  }
}

/** A random key pair under a made-up address. */
function cheapIdentity(number: number, random: (into: Uint8Array) => void): Identity {
  const secret = new Uint8Array(SECRET_KEY_BYTES);
  random(secret);
  return new Identity(FIRST_ADDRESS + number, publicFromSecret(secret), secret);
}
