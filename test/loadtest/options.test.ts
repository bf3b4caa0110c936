import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseOptions, USAGE, UsageError } from "../../loadtest/udp/options.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";

const ROOT = `0abfda6035:0:${"8d".repeat(64)}`;

function parse(...more: string[]) {
  return parseOptions(["--target", "10.0.0.1/9993", "--root", ROOT, ...more], () => {
    throw new Error("no such file");
  });
}

function refusal(...argv: string[]): string {
  try {
    parseOptions(argv, () => `${ROOT}\n`);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message;
  }
  return assert.fail("accepted");
}

describe("the generator's options", () => {
  test("have defaults that are gentle", () => {
    const options = parse();
    assert.equal(formatEndpoint(options.target), "10.0.0.1/9993");
    assert.equal(options.mode, "relay");
    assert.equal(options.peers, 20);
    assert.equal(options.rate, 1000);
    assert.equal(options.seconds, 10);
    assert.equal(options.maxLossRatio, null);
  });

  test("take what is written", () => {
    const options = parse(
      "--mode",
      "echo",
      "--peers",
      "8",
      "--rate",
      "50",
      "--max-loss",
      "0.01",
      "--armored",
      "--json",
    );
    assert.deepEqual(
      [options.mode, options.peers, options.rate, options.maxLossRatio, options.armored, options.json],
      ["echo", 8, 50, 0.01, true, true],
    );
  });

  test("read the root's identity from a file or take it as it is", () => {
    assert.equal(parse().root, ROOT);
    const fromFile = parseOptions(["--target", "10.0.0.1/9993", "--root", "identity.public"], () => `${ROOT}\n`);
    assert.equal(fromFile.root, ROOT);
  });

  test("refuse a public target until it is written a second time", () => {
    assert.match(refusal("--root", ROOT, "--target", "8.8.8.8/9993"), /--allow-target 8\.8\.8\.8\/9993/);
    assert.match(refusal("--root", ROOT, "--target", "[::1]/9993"), /write it as IP\/PORT/);
    assert.match(
      refusal("--root", ROOT, "--target", "8.8.8.8/9993", "--allow-target", "8.8.8.8/9994"),
      /not a loopback or private/,
    );
    const allowed = parseOptions(
      ["--root", ROOT, "--target", "8.8.8.8/9993", "--allow-target", "8.8.8.8/9993"],
      () => "",
    );
    assert.equal(formatEndpoint(allowed.target), "8.8.8.8/9993");
  });

  test("refuse pseudo-private, multicast and unspecified targets like public ones", () => {
    for (const target of ["11.0.0.1/9993", "224.0.0.1/9993", "0.0.0.0/9993", "255.255.255.255/9993", "::/9993"]) {
      assert.match(refusal("--root", ROOT, "--target", target), /--allow-target/);
    }
  });

  test("refuse to relay over loopback, where no root learns a path, but not to say HELLO there", () => {
    assert.match(refusal("--root", ROOT, "--target", "127.0.0.1/9993"), /--mode hello or echo/);
    assert.equal(parseOptions(["--root", ROOT, "--target", "127.0.0.1/9993", "--mode", "hello"]).mode, "hello");
    assert.equal(parseOptions(["--root", ROOT, "--target", "::1/9993", "--mode", "echo"]).target.family, 6);
  });

  test("are bounded, and say by what", () => {
    const base = ["--root", ROOT, "--target", "10.0.0.1/9993"];
    assert.match(refusal(...base, "--peers", "100000"), /from 2 to 2000/);
    assert.match(refusal(...base, "--rate", "0"), /from 1 to 500000/);
    assert.match(refusal(...base, "--size", "9000"), /to 1432/);
    assert.match(refusal(...base, "--seconds", "1e9"), /from 1 to 3600/);
    assert.match(refusal(...base, "--max-loss", "2"), /from 0 to 1/);
    assert.match(refusal(...base, "--mode", "flood"), /relay, hello or echo/);
    assert.match(refusal(...base, "--local", "::1"), /the target's family/);
    assert.match(refusal(...base, "--bogus"), /bogus/);
    assert.match(refusal("--target", "10.0.0.1/9993"), /--root is missing/);
    assert.match(refusal("--root", ROOT), /--target is missing/);
  });

  test("are all in the usage text", () => {
    for (const name of Object.keys({ target: 0, root: 0, local: 0, mode: 0, peers: 0, identities: 0, json: 0 })) {
      assert.match(USAGE, new RegExp(`--${name}\\b`));
    }
  });
});
