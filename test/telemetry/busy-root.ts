/**
 * A root with everything to do: four clients in the laboratory, of which one pair goes direct over IPv6 and one pair,
 * behind symmetric NATs, never does and talks all the time; and somebody who sends rubbish.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { formatAddress } from "../../src/protocol/address.ts";
import { Client } from "../e2e/client.ts";
import { type Host, Lab } from "../e2e/lab.ts";
import { ROOT_PORT, RootDaemon } from "../e2e/root-daemon.ts";
import { IDENTITIES } from "../support/constellation.ts";
import { type LiveRoot, RECEIVE_BUFFER_BYTES } from "./live-roots.ts";
import { ownDirectory } from "./owned.ts";

/** Where the telemetry listener is unless configured otherwise; each namespace has a loopback of its own. */
const TELEMETRY_PORT = 9994;
const TALK_INTERVAL_MS = 100;
/** Every how many words a speech follows: one that does not fit into a datagram, nor gets small by compression. */
const WORDS_PER_SPEECH = 10;
const SPEECH = createHash("shake256", { outputLength: 3000 }).update("speech").digest("base64");
const WAIT_MS = 20_000;

/** Waits on a Unix socket, which all namespaces share, and passes each connection on to a TCP port of its own one. */
const BRIDGE = `
  const { connect, createServer } = require("node:net");
  const { pipeline } = require("node:stream");
  const [path, port] = process.argv.slice(1);
  createServer((from) => {
    const to = connect(Number(port), "127.0.0.1");
    pipeline(from, to, from, () => {});
  }).listen(path, () => console.log("ready"));
`;

/** Sends each datagram (hex) to the address, and ends. */
const STRAY = `
  const socket = require("node:dgram").createSocket("udp4");
  const [ip, port, ...datagrams] = process.argv.slice(1);
  let left = datagrams.length;
  for (const hex of datagrams) socket.send(Buffer.from(hex, "hex"), Number(port), ip, () => --left || socket.close());
`;

export class BusyRoot implements LiveRoot {
  readonly metricsUrl: string;
  readonly #lab: Lab;
  readonly #root: RootDaemon;
  /** The first version of the planet. */
  readonly #oldPlanet: string;
  readonly #server: Server;
  #talk: NodeJS.Timeout | undefined;

  private constructor(lab: Lab, root: RootDaemon, oldPlanet: string, server: Server) {
    this.#lab = lab;
    this.#root = root;
    this.#oldPlanet = oldPlanet;
    this.#server = server;
    this.metricsUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  }

  /** The root alone, already on a newer version of its planet. */
  static async start(): Promise<BusyRoot> {
    const lab = new Lab();
    try {
      const root = RootDaemon.init(lab, lab.openHost("root", "both"));
      const oldPlanet = join(ownDirectory(), "planet");
      copyFileSync(root.planetFile, oldPlanet);
      // There and back again: nobody would answer on the other port.
      for (const change of ["--add-endpoint", "--remove-endpoint"]) {
        root.command("world", "rotate", "--home", root.home, change, `${root.host.ipv4}/443`);
      }
      const settings = { listen: { receiveBufferBytes: RECEIVE_BUFFER_BYTES } };
      writeFileSync(join(root.home, "orrery.yaml"), JSON.stringify(settings));
      await root.start();
      return new BusyRoot(lab, root, oldPlanet, await bridge(lab, root.host, TELEMETRY_PORT));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Brings the clients, has the pairs talk until the end, and waits until one of them goes direct. */
  async populate(): Promise<void> {
    const lab = this.#lab;
    const near = [lab.router("left", "cone"), lab.router("right", "cone")] as const;
    const far = [lab.router("west", "symmetric"), lab.router("east", "symmetric")] as const;
    const client = (host: Host, number: number, planet = this.#root.planetFile) =>
      new Client(lab, host, IDENTITIES[number]!, planet);
    const a = client(lab.hostBehind("a", near[0], "both"), 0, this.#oldPlanet);
    const b = client(lab.hostBehind("b", near[1], "both"), 1);
    const c = client(lab.hostBehind("c", far[0]), 2);
    const d = client(lab.hostBehind("d", far[1]), 3);
    await Promise.all([a, b, c, d].map((one) => one.connected(WAIT_MS)));
    let words = 0;
    this.#talk = setInterval(() => {
      const text = ++words % WORDS_PER_SPEECH === 0 ? SPEECH : `word ${words}`;
      for (const [from, to] of [
        [a, b],
        [b, a],
        [c, d],
        [d, c],
      ] as const)
        from.send(to, text);
    }, TALK_INTERVAL_MS);
    await Promise.all([a.directTo(b, WAIT_MS), b.directTo(a, WAIT_MS), d.message(c, SPEECH, WAIT_MS)]);
    this.#disturb(lab.openHost("stray"));
  }

  async stop(): Promise<void> {
    clearInterval(this.#talk);
    this.#server.close();
    await this.#lab.close();
  }

  /** What only happens where somebody means no good, or has not understood. */
  #disturb(host: Host): void {
    const someone = formatAddress(IDENTITIES[2]!.address);
    const nobody = "1122334455";
    const packet = (to: string, from: string, flags: string, verb: string) =>
      `${"5a".repeat(8)}${to}${from}${flags}${"00".repeat(8)}${verb}${"00".repeat(80)}`;
    const datagrams = [
      "0102030405", // no packet at all
      packet(nobody, someone, "00", "08"), // for nobody whom the root knows
      packet(someone, nobody, "07", "08"), // travelled too far
      packet(this.#root.address, someone, "08", "08"), // does not come from whom it says
      packet(this.#root.address, nobody, "08", "08"), // comes from whom nobody can name
      packet(this.#root.address, nobody, "00", "01"), // a HELLO that says nothing
    ];
    this.#lab.spawn(host, process.execPath, ["-e", STRAY, this.#root.host.ipv4, String(ROOT_PORT), ...datagrams]);
  }
}

/** A server on our loopback that leads to a port on the loopback of a host in the laboratory. */
async function bridge(lab: Lab, host: Host, port: number): Promise<Server> {
  const path = join(ownDirectory(), "bridge");
  const child = lab.spawn(host, process.execPath, ["-e", BRIDGE, path, String(port)]);
  await Promise.race([
    once(child.stdout!, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the bridge into the namespace ended"))),
  ]);
  const server = createServer((from: Socket) => pipeline(from, connect(path), from, () => {}));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
