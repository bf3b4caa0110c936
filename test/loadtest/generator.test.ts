/** The generator from end to end on loopback sockets, against a root made of test code. */
import assert from "node:assert/strict";
import { createSocket, type RemoteInfo } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { generate } from "../../loadtest/udp/generator.ts";
import { obtainIdentities, parseIdentityLines } from "../../loadtest/udp/identities.ts";
import type { GeneratorOptions } from "../../loadtest/udp/options.ts";
import { UsageError } from "../../loadtest/udp/options.ts";
import { formatIdentity, parseIdentity } from "../../src/identity/identity.ts";
import type { Address } from "../../src/protocol/address.ts";
import { parseEndpoint } from "../../src/protocol/inet-address.ts";
import { sourceOf } from "../../src/protocol/packet.ts";
import { FakeRoot } from "./fake-root.ts";

const vectors = JSON.parse(readFileSync(new URL("../fixtures/vectors/identities.json", import.meta.url), "utf8")) as {
  valid: { secret: string }[];
};
const identities = vectors.valid.map(({ secret }) => parseIdentity(secret)!);
const folder = mkdtempSync(join(tmpdir(), "orrery-loadtest-"));
const cache = join(folder, "identities.txt");

/** A fake root on a loopback socket; it may confirm paths, which a real one would not do over loopback. */
class SocketRoot {
  readonly #socket = createSocket("udp4");
  readonly #clients = new Map<Address, RemoteInfo>();
  readonly root = new FakeRoot(identities[0]!, (address, bytes) => {
    const client = this.#clients.get(address);
    if (client !== undefined) this.#socket.send(bytes, client.port, client.address);
  });

  async open(): Promise<number> {
    this.#socket.on("message", (bytes, from) => {
      this.#clients.set(sourceOf(bytes), from);
      this.root.receive(bytes);
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}

function optionsFor(port: number, change: Partial<GeneratorOptions>): GeneratorOptions {
  return {
    target: parseEndpoint(`127.0.0.1/${port}`)!,
    root: formatIdentity(identities[0]!),
    local: "127.0.0.1",
    mode: "relay",
    peers: 4,
    identities: cache,
    helloRate: 1000,
    rate: 400,
    packetBytes: 300,
    armored: true,
    seconds: 1,
    greetSeconds: 5,
    maxLossRatio: null,
    maxP99Ms: null,
    json: true,
    ...change,
  };
}

describe("the load generator", () => {
  const server = new SocketRoot();
  let port = 0;
  before(async () => {
    const text = identities.slice(1).map((identity) => `${formatIdentity(identity, true)}\n`);
    writeFileSync(cache, `\nnot an identity\n${text.join("")}`);
    port = await server.open();
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  test("greets the root, has its paths confirmed and relays probes both ways", async () => {
    const report = await generate(optionsFor(port, {}));
    assert.deepEqual([report.peers, report.greeted, report.confirmed], [4, 4, 4]);
    assert.deepEqual([report.unreadable, report.socketErrors], [0, 0]);
    const { relay, echo } = report;
    assert.equal(relay?.pairs, 2);
    assert.ok(relay.sent > 100 && relay.sent <= 401, `sent ${relay.sent}`);
    assert.equal(relay.lost, 0);
    assert.equal(relay.latencyMs.count, relay.sent);
    assert.equal(echo?.answered, echo?.sent);
  });

  test("measures HELLOs of peers that the root knows", async () => {
    const report = await generate(optionsFor(port, { mode: "hello", peers: 2, rate: 200 }));
    assert.equal(report.relay, null);
    assert.ok(report.hello !== null && report.hello.sent > 50);
    assert.equal(report.hello.answered, report.hello.sent);
  });

  test("says that nobody was greeted when nobody answers", async () => {
    const silent = createSocket("udp4");
    await new Promise<void>((resolve) => silent.bind(0, "127.0.0.1", resolve));
    try {
      const target = { mode: "echo", peers: 2, greetSeconds: 1 } as const;
      const report = await generate(optionsFor(silent.address().port, target));
      assert.equal(report.greeted, 0);
      assert.equal(report.greeting.sent, 2);
      assert.equal(report.echo?.sent, 0);
    } finally {
      silent.close();
    }
  });

  test("refuses a root identity that is none", async () => {
    await assert.rejects(generate(optionsFor(port, { root: "nobody" })), UsageError);
  });
});

describe("synthetic identities", () => {
  test("are those of the file's lines that have secrets, each once", () => {
    const secret = formatIdentity(identities[1]!, true);
    const found = parseIdentityLines(`${secret}\n${formatIdentity(identities[2]!)}\n${secret}\r\n# nothing\n`);
    assert.deepEqual(
      found.map((identity) => identity.address),
      [identities[1]!.address],
    );
  });

  test("that are missing are generated and added to the file, which only its owner can read", async () => {
    const directory = mkdtempSync(join(tmpdir(), "orrery-loadtest-"));
    try {
      const file = join(directory, "identities.txt");
      const steps: number[] = [];
      const first = await obtainIdentities(1, file, (made) => steps.push(made));
      assert.deepEqual(steps, [1]);
      assert.ok(first[0]!.hasSecret);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const again = await obtainIdentities(1, file, () => assert.fail("generated again"));
      assert.ok(again[0]!.equals(first[0]!));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
