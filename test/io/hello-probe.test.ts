import assert from "node:assert/strict";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { describe, test } from "node:test";
import { generateIdentity } from "../../src/identity/generate.ts";
import { type Identity, readIdentity } from "../../src/identity/identity.ts";
import { type ProbeResult, probeHello } from "../../src/io/hello-probe.ts";
import { armor, CipherSuite, dearmor, PeerKey } from "../../src/protocol/armor.ts";
import { Reader } from "../../src/protocol/bytes.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/constants.ts";
import { type Endpoint, formatEndpoint, makeEndpoint } from "../../src/protocol/inet-address.ts";
import { encodeError } from "../../src/protocol/messages/error.ts";
import { decodeHello, encodeOkHello, type Hello } from "../../src/protocol/messages/hello.ts";
import { encodeOk } from "../../src/protocol/messages/ok.ts";
import { newPacket, packetIdOf, payloadOf } from "../../src/protocol/packet.ts";
import { ErrorCode, Verb } from "../../src/protocol/verbs.ts";

const root = generateIdentity((into) => into.fill(11));
const asker = generateIdentity((into) => into.fill(12));
const stranger = generateIdentity((into) => into.fill(13));
const LOOPBACK = new Uint8Array([127, 0, 0, 1]);
const SURFACE = makeEndpoint(new Uint8Array([198, 51, 100, 7]), 1234);

/** A received HELLO whose MAC was right. */
interface HelloIn {
  readonly hello: Hello;
  readonly packetId: bigint;
  readonly key: PeerKey;
  readonly from: Identity;
  /** How many came before it. */
  readonly index: number;
}

/** Runs `body` against a root on loopback that answers each HELLO with what `answer` returns. */
async function withRoot(
  answer: (hello: HelloIn) => Uint8Array[],
  body: (target: Endpoint) => Promise<void>,
): Promise<void> {
  const socket: Socket = createSocket("udp4");
  let index = 0;
  socket.on("message", (packet: Buffer, from: RemoteInfo) => {
    const payload = decodeHello(payloadOf(packet));
    assert.ok(payload.ok);
    const identity = readIdentity(new Reader(payload.value.hello.identity));
    assert.ok(identity !== undefined);
    const key = new PeerKey(root.agree(identity));
    const packetId = packetIdOf(packet);
    assert.ok(dearmor(packet, key), "the HELLO's MAC is wrong");
    const hello = { ...payload.value.hello, identity: payload.value.hello.identity.slice() };
    for (const datagram of answer({ hello, packetId, key, from: identity, index })) {
      socket.send(datagram, from.port, from.address);
    }
    index += 1;
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  try {
    await body(makeEndpoint(LOOPBACK, socket.address().port));
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

function reply(to: Identity, from: Identity, verb: Verb, payload: Uint8Array, key: PeerKey): Uint8Array {
  const packet = newPacket(new Uint8Array(8).fill(3), to.address, from.address, verb, payload);
  armor(packet, key, CipherSuite.SALSA2012_POLY1305);
  return packet;
}

function okTo({ hello, packetId, key, from }: HelloIn, changes: { packetId?: bigint } = {}): Uint8Array {
  const body = encodeOkHello({
    timestamp: hello.timestamp,
    protocolVersion: PROTOCOL_VERSION,
    versionMajor: 1,
    versionMinor: 14,
    versionRevision: 1,
    surface: SURFACE,
    worlds: new Uint8Array(0),
  });
  return reply(from, root, Verb.OK, encodeOk(Verb.HELLO, changes.packetId ?? packetId, body), key);
}

const ask = (target: Endpoint, timeoutMs: number, expected = root): Promise<ProbeResult> =>
  probeHello({ target, root: expected, timeoutMs, identity: asker });

describe("the HELLO probe", () => {
  test("tells the round trip and our address as the root saw it", async () => {
    const heard: HelloIn[] = [];
    const answer = (hello: HelloIn) => {
      heard.push(hello);
      return [okTo(hello)];
    };
    await withRoot(answer, async (target) => {
      const result = await ask(target, 5000);
      assert.ok(result.ok, JSON.stringify(result));
      assert.ok(result.rttMs > 0 && result.rttMs < 5000);
      assert.equal(result.surface === null ? null : formatEndpoint(result.surface), "198.51.100.7/1234");
      assert.equal(heard.length, 1);
      assert.ok(heard[0]?.from.equals(asker));
      assert.equal(heard[0]?.hello.protocolVersion, PROTOCOL_VERSION);
      assert.equal(heard[0]?.hello.planetId, 0n);
      assert.deepEqual(heard[0]?.hello.sentTo, target);
    });
  });

  test("asks again when the first HELLO is lost", async () => {
    await withRoot(
      (hello) => (hello.index === 0 ? [] : [okTo(hello)]),
      async (target) => {
        const result = await ask(target, 5000);
        assert.ok(result.ok && result.rttMs < 400, "the round trip is that of the answered HELLO");
      },
    );
  });

  test("believes nobody but the root, and no answer to another question", async () => {
    const wrongKey = new PeerKey(new Uint8Array(48).fill(1));
    await withRoot(
      (hello) => [
        new Uint8Array(0),
        new Uint8Array(200).fill(0xff),
        okTo(hello, { packetId: hello.packetId ^ 1n }),
        okTo({ ...hello, key: wrongKey }),
        reply(hello.from, stranger, Verb.OK, encodeOk(Verb.HELLO, hello.packetId, new Uint8Array(20)), hello.key),
        reply(hello.from, root, Verb.OK, encodeOk(Verb.ECHO, hello.packetId, new Uint8Array(20)), hello.key),
        reply(hello.from, root, Verb.OK, encodeOk(Verb.HELLO, hello.packetId, new Uint8Array(3)), hello.key),
      ],
      async (target) => {
        assert.deepEqual(await ask(target, 300), { ok: false, reason: "no answer within 300 ms" });
      },
    );
  });

  test("reports an address collision at once", async () => {
    const collision = ({ from, key, packetId }: HelloIn) => {
      const body = new Uint8Array(0);
      const payload = encodeError({
        inReVerb: Verb.HELLO,
        inRePacketId: packetId,
        code: ErrorCode.IDENTITY_COLLISION,
        body,
      });
      return [reply(from, root, Verb.ERROR, payload, key)];
    };
    await withRoot(collision, async (target) => {
      assert.deepEqual(await ask(target, 5000), { ok: false, reason: "it says that our address is taken" });
    });
  });

  test("says why when nothing can be sent there", async () => {
    const nowhere = makeEndpoint(new Uint8Array([255, 255, 255, 255]), 9993);
    const result = await ask(nowhere, 2000);
    assert.ok(!result.ok);
    assert.match(result.reason, /^cannot send there \([A-Z]+\)$/);
  });

  test("makes an identity of its own when it is given none", async () => {
    const seen: Identity[] = [];
    const answer = (hello: HelloIn) => {
      seen.push(hello.from);
      return [okTo(hello)];
    };
    await withRoot(answer, async (target) => {
      const result = await probeHello({ target, root, timeoutMs: 5000 });
      assert.ok(result.ok);
      assert.ok(seen[0] !== undefined && !seen[0].equals(asker));
    });
  });
});
