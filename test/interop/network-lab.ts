/**
 * What every pairing is tried in: a root and a controller in the open, two leaves on the LAN of one router, a machine
 * behind a bridge of the first leaf, and one network that all but the root have joined; the controller is the third
 * member, for what goes to others than the receiver.
 */
import { spawnSync } from "node:child_process";
import { type Host, Lab, type Router } from "../e2e/lab.ts";
import { type Implementation, InteropNode, run, until } from "./node.ts";

const SUBNET = "10.55.0";
const JOIN_MS = 60_000;
const PERMIT = [{ type: "ACTION_ACCEPT" }];

export interface Pairing {
  readonly root: Implementation;
  readonly controller: Implementation;
  readonly a: Implementation;
  readonly b: Implementation;
}

/** A rule of the controller's API (controller.md §6). */
export type Rule = Readonly<Record<string, unknown>>;

/** The addresses that a member has in the network. */
export interface Addresses {
  readonly device: string;
  readonly ipv4: string;
  readonly sixPlane: string;
  readonly rfc4193: string;
  readonly linkLocal: string;
}

export class NetworkLab {
  readonly lab = new Lab();
  readonly router: Router;
  readonly root: InteropNode;
  readonly controller: InteropNode;
  readonly a: InteropNode;
  readonly b: InteropNode;
  networkId = "";

  constructor({ root, controller, a, b }: Pairing) {
    const { lab } = this;
    this.root = InteropNode.root(lab, lab.openHost("root"), root);
    const { planet } = this.root;
    this.controller = new InteropNode(lab, lab.openHost("controller"), controller, planet);
    this.router = lab.router("router", "cone");
    this.a = new InteropNode(lab, lab.hostBehind("a", this.router), a, planet);
    this.b = new InteropNode(lab, lab.hostBehind("b", this.router), b, planet);
  }

  get members(): readonly InteropNode[] {
    return [this.a, this.b, this.controller];
  }

  /** Starts everybody; all members are in the network afterwards. */
  async start(): Promise<void> {
    await this.root.start();
    await Promise.all(this.members.map((node) => node.start()));
    const made = this.controller.post(`/controller/network/${this.controller.address}______`, {
      name: "interop",
      private: true,
      enableBroadcast: true,
      ipAssignmentPools: [{ ipRangeStart: `${SUBNET}.1`, ipRangeEnd: `${SUBNET}.99` }],
      routes: [{ target: `${SUBNET}.0/24`, via: null }],
      v4AssignMode: { zt: true },
      v6AssignMode: { "6plane": true, rfc4193: true, zt: false },
      rules: PERMIT,
    }) as { id: string } | null;
    if (made === null) throw new Error("the controller makes no network");
    this.networkId = made.id;
    for (const node of this.members) await this.join(node);
  }

  async join(node: InteropNode): Promise<void> {
    node.post(`/network/${this.networkId}`, {});
    await until(`${node.address} to ask to be let in`, JOIN_MS, () => this.member(node, {}) !== null);
    this.member(node, { authorized: true });
    await until(`${node.address} to have its addresses`, JOIN_MS, () => this.addresses(node));
  }

  /** Changes a member's record; null if the controller has none. */
  member(node: InteropNode, change: object): unknown {
    const path = `/controller/network/${this.networkId}/member/${node.address}`;
    return this.controller.get(path) === null ? null : this.controller.post(path, change);
  }

  setRules(rules: readonly Rule[]): void {
    this.controller.post(`/controller/network/${this.networkId}`, { rules });
  }

  permitAll(): void {
    this.setRules(PERMIT);
  }

  /** Null until the network is up. */
  addresses(node: InteropNode): Addresses | null {
    const network = node.network(this.networkId);
    if (network?.status !== "OK") return null;
    const ips = network.assignedAddresses.map((text) => text.split("/")[0]!);
    const ipv4 = ips.find((ip) => ip.startsWith(`${SUBNET}.`));
    const sixPlane = ips.find((ip) => ip.startsWith("fc"));
    const rfc4193 = ips.find((ip) => ip.startsWith("fd"));
    const shown = run(node.host, "ip", ["-6", "addr", "show", "dev", network.portDeviceName, "scope", "link"]) ?? "";
    const linkLocal = /inet6 (fe80[^/]+)/.exec(shown)?.[1];
    if (ipv4 === undefined || sixPlane === undefined || rfc4193 === undefined || linkLocal === undefined) return null;
    return { device: network.portDeviceName, ipv4, sixPlane, rfc4193, linkLocal };
  }

  async addressesOf(node: InteropNode): Promise<Addresses> {
    return until(`${node.address} to be in the network`, JOIN_MS, () => this.addresses(node));
  }

  macOf(node: InteropNode): string {
    return node.network(this.networkId)!.mac;
  }

  /** Nothing passes between the leaves but by way of others. */
  keepApart(): void {
    this.lab.block(this.a.host, this.b.host.ipv4);
  }

  letTogether(): void {
    nft(this.a.host, "delete table ip blocked");
  }

  /** The router forwards nothing any more; its LAN goes on. */
  pullWan(): void {
    nft(
      this.router,
      'table inet pulled {\n chain forward { type filter hook forward priority -20; iifname "wan" drop; oifname "wan" drop; }\n }',
    );
  }

  plugWan(): void {
    nft(this.router, "delete table inet pulled");
  }

  /** Packets that the root has received. */
  get packetsAtRoot(): number {
    return Number(run(this.root.host, "cat", ["/sys/class/net/eth0/statistics/rx_packets"]));
  }

  close(): Promise<void> {
    return this.lab.close();
  }
}

function nft({ namespace }: Pick<Host, "namespace">, rules: string): void {
  const result = spawnSync("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { input: rules, encoding: "utf8" });
  if (result.status !== 0) throw new Error(`nft: ${result.stderr}`);
}
