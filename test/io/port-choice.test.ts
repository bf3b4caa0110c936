import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { findUsablePort, RANDOM_PORT_HIGH, RANDOM_PORT_LOW } from "../../src/io/port-choice.ts";
import { randomFill, randomInteger } from "../../src/io/random.ts";
import { parseIp } from "../../src/protocol/inet-address.ts";

const V4 = parseIp("127.0.0.1")!;
const ANYTHING = { bind: [V4], tcp: null, random: randomFill };

describe("the choice of a port", () => {
  test("takes a random free port of the range for 0", async () => {
    const port = await findUsablePort({ ...ANYTHING, port: 0, tcp: V4 });
    assert.ok(port >= RANDOM_PORT_LOW && port <= RANDOM_PORT_HIGH);
    assert.equal(await findUsablePort({ ...ANYTHING, port, tcp: V4 }), port);
    assert.equal(await findUsablePort({ ...ANYTHING, bind: [], port }), port);
  });

  test("passes over a port that is taken and draws again", async () => {
    const holder = createSocket("udp4");
    holder.bind(await findUsablePort({ ...ANYTHING, port: 0 }), "127.0.0.1");
    await once(holder, "listening");
    const taken = holder.address().port;
    const draws = [taken - RANDOM_PORT_LOW, 7];
    const random = (into: Uint8Array) => new DataView(into.buffer).setUint32(0, draws.shift() ?? 9, true);
    const port = await findUsablePort({ ...ANYTHING, port: 0, random });
    assert.notEqual(port, taken);
    assert.ok(port >= RANDOM_PORT_LOW + 7 && port <= RANDOM_PORT_LOW + 9);
    await assert.rejects(findUsablePort({ ...ANYTHING, port: taken }), {
      name: "IoError",
      message: new RegExp(
        `^UDP port ${taken} is already in use \\(127\\.0\\.0\\.1/${taken}\\): stop the other program`,
      ),
    });
    holder.close();
  });

  test("wants TCP too where the service API listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    assert.equal(await findUsablePort({ ...ANYTHING, port }), port);
    await assert.rejects(findUsablePort({ ...ANYTHING, port, tcp: V4 }), {
      message: new RegExp(`^TCP port ${port} is already in use`),
    });
    server.close();
  });

  test("ignores configured addresses that do not exist yet", async () => {
    const port = await findUsablePort({ ...ANYTHING, bind: [parseIp("198.51.100.9")!, V4], port: 0 });
    assert.ok(port > 0);
  });
});

describe("randomInteger", () => {
  test("covers both ends of its range and nothing else", () => {
    const seen = new Set<number>();
    for (let i = 0; i < 400; i++) seen.add(randomInteger(randomFill, 3, 7));
    assert.deepEqual([...seen].sort(), [3, 4, 5, 6, 7]);
  });

  test("throws draws away that would favour the low values", () => {
    const draws = [0xffffffff, 0xfffffffe, 4];
    const value = randomInteger((into) => new DataView(into.buffer).setUint32(0, draws.shift()!, true), 0, 5);
    assert.equal(value, 4);
    assert.equal(draws.length, 0);
  });
});
