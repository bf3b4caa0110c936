/** What systemd-resolved is told about an interface, and when. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DnsState, isDomainName, LinkDns } from "../../src/io/linux/resolved.ts";

/** A resolver, with a record of what its tool was run with and which states were told. */
function resolver(answer: (words: readonly string[]) => string | null = () => null) {
  const ran: string[] = [];
  const told: DnsState[] = [];
  const dns = new LinkDns(
    "zt0",
    (state) => told.push(state),
    async (program, words) => {
      ran.push([program, ...words].join(" "));
      await new Promise((resolve) => setImmediate(resolve));
      const problem = answer(words);
      if (problem !== null) throw new Error(problem);
    },
  );
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { dns, ran, told, settle };
}

describe("the name servers of an interface", () => {
  test("are asked for their domain only, and taken back", async () => {
    const { dns, ran, settle } = resolver();
    dns.set("corp.example", ["10.1.0.1", "fd00::1"]);
    assert.equal(dns.state.is, "pending");
    await settle();
    assert.deepEqual(ran, ["resolvectl domain zt0 ~corp.example", "resolvectl dns zt0 10.1.0.1 fd00::1"]);
    assert.deepEqual(dns.state, { is: "applied", domain: "corp.example", servers: ["10.1.0.1", "fd00::1"] });
    dns.set("corp.example", []);
    await settle();
    assert.deepEqual([ran.slice(2), dns.state], [["resolvectl revert zt0"], { is: "none" }]);
  });

  test("are told once, however often they are set", async () => {
    const { dns, ran, told, settle } = resolver();
    for (let i = 0; i < 3; i++) {
      dns.set("corp.example", ["10.1.0.1"]);
      await settle();
    }
    assert.equal(ran.length, 2);
    assert.deepEqual(
      told.map((state) => state.is),
      ["pending", "applied"],
    );
  });

  test("are those that were asked for last, whatever is still under way", async () => {
    const { dns, ran, settle } = resolver();
    dns.set("old.example", ["10.1.0.1"]);
    dns.set("middle.example", ["10.1.0.2"]);
    dns.set("new.example", ["10.1.0.3"]);
    await settle();
    assert.deepEqual(ran.slice(-2), ["resolvectl domain zt0 ~new.example", "resolvectl dns zt0 10.1.0.3"]);
    assert.ok(!ran.join().includes("middle"));
    assert.equal(dns.state.is, "applied");
  });

  test("never run anything for a network without any", async () => {
    const { dns, ran, told, settle } = resolver();
    dns.set("", []);
    dns.set("", ["10.1.0.1"]);
    await settle();
    assert.deepEqual([ran, told], [[], []]);
  });

  test("that cannot be set are told once with the reason, and tried again", async () => {
    let broken: string | null = "there is no resolvectl here";
    const { dns, told, settle } = resolver(() => broken);
    for (let i = 0; i < 3; i++) {
      dns.set("corp.example", ["10.1.0.1"]);
      await settle();
    }
    assert.deepEqual(told.slice(1), [{ is: "failed", reason: "there is no resolvectl here" }]);
    broken = null;
    dns.set("corp.example", ["10.1.0.1"]);
    await settle();
    assert.equal(dns.state.is, "applied");
  });

  test("are not set for everything by a controller that calls its domain so", async () => {
    const { dns, ran, settle } = resolver();
    for (const domain of [".", "~.", "-x", "a b", "a..b", "a/b", "x".repeat(64), "a\n", `${"abcd.".repeat(60)}x`]) {
      assert.equal(isDomainName(domain), false, JSON.stringify(domain));
      dns.set(domain, ["10.1.0.1"]);
      await settle();
      assert.equal(dns.state.is, "failed");
    }
    assert.deepEqual(ran, []);
    for (const domain of ["corp", "corp.example.", "_x.a-b.C0", "10.in-addr.arpa"])
      assert.ok(isDomainName(domain), domain);
  });

  test("are not in use where there is no such tool", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    try {
      const told = await new Promise<DnsState>((resolve) => {
        const dns = new LinkDns("zt0", (state) => state.is === "pending" || resolve(state));
        dns.set("corp.example", ["10.1.0.1"]);
      });
      assert.deepEqual(told, { is: "failed", reason: "there is no resolvectl here (systemd-resolved)" });
    } finally {
      process.env["PATH"] = path;
    }
  });
});
