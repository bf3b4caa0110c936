/** Two members in the virtual network, one of them with two uplinks; what goes over which is counted. */
import { Bonds } from "../../src/bonding/bonds.ts";
import { type BondPolicy, type BondSettings, NO_BONDING } from "../../src/bonding/policy.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { EtherType, ethernetFrame } from "../../src/protocol/ethernet.ts";
import { type Endpoint, formatIp } from "../../src/protocol/inet-address.ts";
import { IDENTITIES, testPlanet } from "../support/constellation.ts";
import { TestMember } from "../support/member.ts";
import { VirtualNetwork } from "../support/virtual-network.ts";

const [ROOT, CONTROLLER, A, B] = IDENTITIES as [Identity, Identity, Identity, Identity];
const NETWORK = (BigInt(CONTROLLER.address) << 24n) | 0xabcn;
const PLANET = testPlanet([{ identity: ROOT, endpoints: ["64.0.0.1/9993"] }]);

/** The uplinks of `a`, and the one of `b`. */
export const UPLINKS = ["64.1.1.1", "64.1.2.1"] as const;
export const FAR = "64.2.0.1";
const FRAME_BYTES = 403;
/** Packet header, network id, EtherType, data: as long as nothing else is. */
const PACKET_BYTES = 28 + 10 + FRAME_BYTES;
const SETTLE_MS = 8000;

export function settingsFor(policy: BondPolicy): BondSettings {
  return { ...NO_BONDING, defaultPolicy: "test", policies: new Map([["test", policy]]) };
}

export class Uplinks {
  readonly network: VirtualNetwork;
  readonly a: TestMember;
  readonly b: TestMember;
  readonly bonds: Bonds;
  /** Of the far side; null if it does not bond. */
  readonly farBonds: Bonds | null;
  /** Uplinks that are cut: nothing passes, and nobody is told. */
  readonly cut = new Set<string>();
  #sent = 0;

  /** `far`: the policy of the other side. Everybody has these further ports besides 9993. */
  constructor(near: BondPolicy, far: BondPolicy | null = null, furtherPorts: readonly number[] = [], seed = 3) {
    const network = new VirtualNetwork({ seed, latencyMs: 5 });
    const socketsOf = (ips: readonly string[]) =>
      [9993, ...furtherPorts].flatMap((port) => ips.map((ip) => `${ip}/${port}`));
    this.network = network;
    network.add({ identity: ROOT, planet: PLANET, addresses: ["64.0.0.1/9993"] });
    const a = network.add({ identity: A, planet: PLANET, addresses: socketsOf(UPLINKS) });
    const b = network.add({ identity: B, planet: PLANET, addresses: socketsOf([FAR]) });
    this.bonds = new Bonds(a.node, settingsFor(near));
    this.farBonds = far === null ? null : new Bonds(b.node, settingsFor(far));
    this.a = new TestMember(network, a, NETWORK, CONTROLLER);
    this.b = new TestMember(network, b, NETWORK, CONTROLLER);
    network.filter = (from, to) => !this.cut.has(formatIp(from.ip)) && !this.cut.has(formatIp(to.ip));
    network.advance(6000);
    for (let i = 0; i < SETTLE_MS / 100; i++) {
      this.say(this.a, this.b);
      this.say(this.b, this.a);
      network.advance(100);
    }
  }

  /** A frame without ports, and with a text that no other has. */
  say(from: TestMember, to: TestMember): string {
    const text = `${++this.#sent} `.padEnd(FRAME_BYTES, "x");
    from.send(to.mac, text);
    return text;
  }

  /** A UDP packet of the flow between two ports. */
  udp(from: TestMember, to: TestMember, source: number, destination: number): void {
    const data = new Uint8Array(FRAME_BYTES);
    data.set([0x45, 0, FRAME_BYTES >> 8, FRAME_BYTES & 0xff, 0, 0, 0, 0, 64, 17]);
    data.set([source >> 8, source & 0xff, destination >> 8, destination & 0xff], 20);
    const frame = ethernetFrame(to.mac, from.mac, EtherType.IPV4, data);
    from.leaf.frame(from.networkId, frame, this.network.now);
  }

  /** Datagrams with frames that went from `a` to `b` over each uplink while `run` ran. */
  countOut(run: () => void): number[] {
    return this.#count(run, (uplink, from, to) => from.startsWith(`${uplink}/`) && to.startsWith(`${FAR}/`));
  }

  /** The same for the other direction. */
  countIn(run: () => void): number[] {
    return this.#count(run, (uplink, from, to) => to.startsWith(`${uplink}/`) && from.startsWith(`${FAR}/`));
  }

  #count(run: () => void, matches: (uplink: string, from: string, to: string) => boolean): number[] {
    const before = this.network.captured.length;
    run();
    const frames = this.network.captured.slice(before).filter(({ bytes }) => bytes.length === PACKET_BYTES);
    return UPLINKS.map((uplink) => frames.filter(({ from, to }) => matches(uplink, from, to)).length);
  }

  /** Which uplink carries the frames of `a` now. */
  get inUse(): number {
    const counts = this.countOut(() => this.say(this.a, this.b));
    return counts.indexOf(1);
  }

  /**
   * A question every 100 ms, each answered at once, for `ms`, as ping does. Gives how many got no answer, and how many in
   * a row at most.
   */
  ping(ms: number): { sent: number; lost: number; longestMs: number } {
    const { a, b, network } = this;
    const answered = new Set<string>();
    const asked: string[] = [];
    let answeredUpTo = b.frames.length;
    let heardUpTo = a.frames.length;
    const exchange = () => {
      for (const text of b.heard.slice(answeredUpTo)) b.send(a.mac, text);
      answeredUpTo = b.frames.length;
      for (const text of a.heard.slice(heardUpTo)) answered.add(text);
      heardUpTo = a.frames.length;
    };
    for (let at = 0; at < ms; at += 5) {
      if (at % 100 === 0) asked.push(this.say(a, b));
      network.advance(5);
      exchange();
    }
    for (let i = 0; i < 20; i++) {
      network.advance(5);
      exchange();
    }
    let [longest, row] = [0, 0];
    for (const text of asked) {
      row = answered.has(text) ? 0 : row + 1;
      longest = Math.max(longest, row);
    }
    return { sent: asked.length, lost: asked.filter((text) => !answered.has(text)).length, longestMs: longest * 100 };
  }

  bondOf(member: TestMember) {
    const other = member === this.a ? this.b : this.a;
    return member.host.views.peer(other.host.address, this.network.now)?.bond;
  }

  /** What is known of the links of `a`, by uplink. */
  links() {
    const paths = this.a.host.views.peer(this.b.host.address, this.network.now)?.paths ?? [];
    const ends: Endpoint[] = this.a.host.sockets.map(({ local }) => local);
    return UPLINKS.map((uplink) => paths.find(({ socket }) => formatIp(ends[socket - 1]!.ip) === uplink)?.link);
  }
}
