/** What the log prints, and above all what it never prints. */
import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { describe, test } from "node:test";
import { generateIdentity } from "../../src/identity/generate.ts";
import { formatIdentity } from "../../src/identity/identity.ts";
import { formatAddress } from "../../src/protocol/address.ts";
import { createLogger, type LogLevel } from "../../src/telemetry/log.ts";

const TOKEN = "k3ep0ut0fl0gsk3ep0ut0fl0";

function capture(level: LogLevel = "trace") {
  const lines: string[] = [];
  const logger = createLogger({ level, pretty: false }, { write: (line: string) => void lines.push(line) });
  return { logger, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

describe("the log", () => {
  test("is one JSON object per line with level, time and fields, and no process id or host name", () => {
    const { logger, lines, last } = capture();
    logger.info({ peer: "aabbccddee", ms: 3 }, "peer added");
    assert.match(lines[0]!, /^\{.*\}\n$/);
    const { time, ...rest } = last();
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, { level: "info", peer: "aabbccddee", ms: 3, msg: "peer added" });
  });

  test("keeps to its level", () => {
    const { logger, lines } = capture("warn");
    logger.info("not this");
    logger.warn("but this");
    assert.equal(lines.length, 1);
  });

  test("never prints an identity's secret, in whatever form it is handed over", () => {
    const identity = generateIdentity((into) => void randomFillSync(into));
    const text = formatIdentity(identity, true);
    const secret = text.split(":")[3]!;
    const { logger, lines, last } = capture();
    logger.info({ identity }, "as an object");
    assert.equal(last()["identity"], formatAddress(identity.address));
    logger.info({ deep: { list: [{ identity }] } }, "within others");
    logger.info({ identity: text }, "as text");
    logger.info(`in the message: ${text}`);
    logger.info({ key: identity.secretKey, raw: { bytes: Buffer.from(secret, "hex") } }, "as bytes");
    logger.error(new Error(`cannot parse ${text}`));
    logger.error({ err: new Error("outer", { cause: new Error(text) }) }, "in an error's cause");
    logger.child({ identity, note: text }).child({ own: identity }).info("as a binding");
    assert.equal(lines.length, 8);
    const bytesAsJson = [...identity.secretKey!].slice(0, 4).join(",");
    for (const line of lines) {
      assert.ok(!line.toLowerCase().includes(secret.slice(0, 16)), line);
      assert.ok(!line.includes(bytesAsJson), line);
    }
  });

  test("never prints a token, in a field, a header, an address or a binding", () => {
    const { logger, lines } = capture();
    logger.info({ token: TOKEN, authtoken: TOKEN, metricsToken: TOKEN, password: TOKEN });
    logger.info({ headers: { "x-zt1-auth": TOKEN, authorization: `Bearer ${TOKEN}`, "X-ZT1-Auth": TOKEN } });
    logger.info({ req: { headers: { "x-zt1-auth": TOKEN }, url: `/status?auth=${TOKEN}&x=1` } });
    logger.warn(`GET /metrics?auth=${TOKEN} refused`);
    logger.warn({ line: `Authorization: Bearer ${TOKEN}` });
    logger.child({ token: TOKEN, peer: "aabbccddee" }).info({ a: { b: { secret: TOKEN } } });
    assert.equal(lines.length, 6);
    for (const line of lines) assert.ok(!line.includes(TOKEN), line);
    assert.ok(lines[2]!.includes("&x=1"), "what stands beside a secret stays");
    assert.ok(lines[5]!.includes('"peer":"aabbccddee"'));
  });

  test("prints bigints, errors with their own fields, and cuts what is deep, wide or circular", () => {
    const { logger, last } = capture();
    logger.info({ network: 0x8056c2e21c000001n });
    assert.equal(last()["network"], "9247793161240051713");
    logger.error({ err: Object.assign(new Error("bind failed"), { code: "EADDRINUSE", port: 9993 }) });
    const err = last()["err"] as Record<string, unknown>;
    assert.equal(err["message"], "bind failed");
    assert.equal(err["code"], "EADDRINUSE");
    assert.match(String(err["stack"]), /bind failed\n/);
    const circle: Record<string, unknown> = { list: Array.from({ length: 1000 }, () => "x") };
    circle["self"] = circle;
    logger.info({ circle });
    assert.ok(JSON.stringify(last()).length < 5000);
  });
});
