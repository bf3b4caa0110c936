/** Bonds between two members in the virtual network: what goes over which uplink, and what is lost when one is cut. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_LINK, makePolicy } from "../../src/bonding/policy.ts";
import { formatIp, parseIp } from "../../src/protocol/inet-address.ts";
import { FAR, UPLINKS, Uplinks } from "./uplinks.ts";

const ACTIVE_BACKUP = makePolicy("active-backup");

describe("active-backup", () => {
  test("uses one uplink, and has both as links", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP);
    assert.equal(uplinks.bondOf(uplinks.a)?.totalLinks, 2);
    assert.equal(uplinks.bondOf(uplinks.a)?.aliveLinks, 2);
    const counts = uplinks.countOut(() => {
      for (let i = 0; i < 50; i++) {
        uplinks.say(uplinks.a, uplinks.b);
        uplinks.network.advance(20);
      }
    });
    assert.deepEqual([...counts].sort(), [0, 50]);
  });

  for (const [far, what] of [
    [null, "a peer that does not bond"],
    [ACTIVE_BACKUP, "a peer that bonds too"],
  ] as const) {
    for (const failoverMs of [5000, 500]) {
      test(`loses at most its ${failoverMs} ms when the uplink is cut, with ${what}`, () => {
        const uplinks = new Uplinks(
          makePolicy("active-backup", { failoverMs }),
          far && makePolicy("active-backup", { failoverMs }),
        );
        assert.equal(uplinks.ping(3000).lost, 0);
        const used = uplinks.inUse;
        uplinks.cut.add(UPLINKS[used]!);
        const { lost, longestMs } = uplinks.ping(30_000);
        assert.ok(longestMs <= failoverMs + 200, `${longestMs} ms without an answer`);
        assert.ok(longestMs >= failoverMs - 1500, "a working link is not given up early");
        assert.equal(lost * 100, longestMs, "one gap and no more");
        assert.equal(uplinks.inUse, 1 - used);
        assert.equal(uplinks.bonds.statistics.failovers, 1);
        assert.equal(uplinks.bondOf(uplinks.a)?.aliveLinks, 1);
      });
    }
  }

  for (const far of [null, makePolicy("active-backup", { failoverMs: 1000 })]) {
    test(`has one link for each uplink however many ports there are (${far === null ? "near" : "both"})`, () => {
      const uplinks = new Uplinks(makePolicy("active-backup", { failoverMs: 1000 }), far, [30_001, 40_001]);
      const { network, a, b } = uplinks;
      const paths = () => a.host.views.peer(b.host.address, network.now)!.paths;
      assert.ok(paths().length > 2, "every port is a path");
      assert.deepEqual([uplinks.bondOf(a)!.totalLinks, uplinks.bondOf(a)!.aliveLinks], [2, 2]);
      const links = paths().filter(({ link }) => link !== undefined);
      assert.deepEqual(links.map(({ link, endpoint }) => [link!.device, link!.localPort, endpoint.port]).sort(), [
        ["eth0", 9993, 9993],
        ["eth1", 9993, 9993],
      ]);
      const used = uplinks.inUse;
      uplinks.cut.add(UPLINKS[used]!);
      const { longestMs } = uplinks.ping(10_000);
      assert.ok(longestMs <= 1200 + (far === null ? 2000 : 0), `${longestMs} ms without an answer`);
      assert.equal(uplinks.inUse, 1 - used);
    });
  }

  const primary = new Map([["eth1", { ...DEFAULT_LINK, mode: "primary" as const }]]);

  test("prefers a primary link, and returns to it when it works again", () => {
    const uplinks = new Uplinks(makePolicy("active-backup", { links: primary, failoverMs: 1000 }));
    assert.equal(uplinks.inUse, 1);
    uplinks.cut.add(UPLINKS[1]);
    uplinks.ping(5000);
    assert.equal(uplinks.inUse, 0);
    uplinks.cut.clear();
    assert.equal(uplinks.ping(10_000).lost, 0, "returning loses nothing");
    assert.equal(uplinks.inUse, 1);
  });

  test("stays where it is with reselection on failure only", () => {
    const uplinks = new Uplinks(makePolicy("active-backup", { links: primary, failoverMs: 1000, reselect: "failure" }));
    uplinks.cut.add(UPLINKS[1]);
    uplinks.ping(5000);
    uplinks.cut.clear();
    uplinks.ping(10_000);
    assert.equal(uplinks.inUse, 0);
  });

  test("keeps a flapping primary link off for longer each time", () => {
    const uplinks = new Uplinks(makePolicy("active-backup", { links: primary, failoverMs: 500 }));
    uplinks.ping(10_000);
    for (let i = 0; i < 3; i++) {
      uplinks.cut.add(UPLINKS[1]);
      uplinks.ping(2000);
      uplinks.cut.clear();
      uplinks.ping(3000);
    }
    assert.equal(uplinks.inUse, 0, "it failed three times within a minute");
    uplinks.ping(30_000);
    assert.equal(uplinks.inUse, 1, "and is taken again in the end");
  });

  test("goes on to another link on demand", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP);
    const used = uplinks.inUse;
    assert.ok(uplinks.bonds.rotate(uplinks.b.host.address, uplinks.network.now));
    assert.equal(uplinks.inUse, 1 - used);
    assert.equal(uplinks.bonds.rotate(1, uplinks.network.now), false);
  });

  test("leaves an interface alone that is switched off, and finds it when the settings change", () => {
    const links = new Map([["eth0", { ...DEFAULT_LINK, enabled: false }]]);
    const uplinks = new Uplinks(makePolicy("active-backup", { links }));
    assert.equal(uplinks.bondOf(uplinks.a)?.totalLinks, 1);
    assert.equal(uplinks.inUse, 1);
  });
});

describe("balance-rr", () => {
  for (const [packetsPerLink, rounds] of [
    [64, 256],
    [1, 100],
    [0, 400],
  ] as const) {
    test(`spreads packets, ${packetsPerLink || "at random"} in a row`, () => {
      const uplinks = new Uplinks(makePolicy("balance-rr", { packetsPerLink }));
      const [first, second] = uplinks.countOut(() => {
        for (let i = 0; i < rounds; i++) {
          uplinks.say(uplinks.a, uplinks.b);
          uplinks.network.advance(10);
        }
      }) as [number, number];
      assert.equal(first + second, rounds);
      assert.ok(Math.abs(first - second) <= Math.max(packetsPerLink, rounds / 8), `${first} and ${second}`);
    });
  }

  test("uses what is left when a link fails, and both again later", () => {
    const uplinks = new Uplinks(makePolicy("balance-rr", { packetsPerLink: 1, failoverMs: 1000 }));
    uplinks.cut.add(UPLINKS[0]);
    uplinks.ping(3000);
    assert.equal(uplinks.ping(3000).lost, 0);
    uplinks.cut.clear();
    uplinks.ping(3000);
    assert.deepEqual(
      uplinks.countOut(() => uplinks.ping(2000)).map((count) => count >= 8),
      [true, true],
    );
  });
});

describe("balance-xor", () => {
  const FLOWS = Array.from({ length: 32 }, (_, i) => 40_000 + i);

  test("keeps a flow on one link and spreads flows over both", () => {
    const uplinks = new Uplinks(makePolicy("balance-xor"));
    const { a, b, network } = uplinks;
    const used = FLOWS.map((port) => {
      const counts = uplinks.countOut(() => {
        for (let i = 0; i < 10; i++) {
          uplinks.udp(a, b, port, 5000);
          network.advance(10);
        }
      });
      assert.deepEqual([...counts].sort(), [0, 10]);
      return counts.indexOf(10);
    });
    // All of them, and those of one parity, as Linux gives them to a program.
    for (const its of [used, used.filter((_, i) => i % 2 === 0), used.filter((_, i) => i % 2 === 1)]) {
      const share = its.filter((uplink) => uplink === 0).length / its.length;
      assert.ok(share > 0.25 && share < 0.75, `${share} of the flows are on the first uplink`);
    }
    assert.equal(uplinks.bonds.gauges(network.now).flows, FLOWS.length);
  });

  test("answers a flow on the link that it came on", () => {
    const uplinks = new Uplinks(makePolicy("balance-xor"));
    const { a, b, network } = uplinks;
    let [came, answered]: [number[], number[]] = [[], []];
    for (const port of FLOWS) {
      came = uplinks.countIn(() => {
        uplinks.udp(b, a, port, 6000);
        network.advance(20);
      });
      answered = uplinks.countOut(() => {
        uplinks.udp(a, b, 6000, port);
        network.advance(20);
      });
      assert.deepEqual(answered, came);
    }
  });

  test("moves the flows of a link that failed, and leaves the others where they are", () => {
    const uplinks = new Uplinks(makePolicy("balance-xor", { failoverMs: 1000 }));
    const { a, b, network } = uplinks;
    const usedBy = (port: number) =>
      uplinks
        .countOut(() => {
          uplinks.udp(a, b, port, 5000);
          network.advance(5);
        })
        .indexOf(1);
    const before = FLOWS.map(usedBy);
    uplinks.cut.add(UPLINKS[0]);
    network.advance(3000);
    assert.deepEqual(new Set(FLOWS.map(usedBy)), new Set([1]));
    assert.ok(before.includes(0) && before.includes(1));
  });
});

describe("balance-aware", () => {
  test("spreads flows by the capacity that links are said to have", () => {
    const links = new Map([
      ["eth0", { ...DEFAULT_LINK, capacity: 300 }],
      ["eth1", { ...DEFAULT_LINK, capacity: 100 }],
    ]);
    const uplinks = new Uplinks(makePolicy("balance-aware", { links }));
    const [first, second] = uplinks.countOut(() => {
      for (let port = 0; port < 400; port++) {
        uplinks.udp(uplinks.a, uplinks.b, 10_000 + port, 0);
        uplinks.network.advance(5);
      }
    }) as [number, number];
    assert.ok(first > 250 && second > 60, `${first} and ${second}`);
  });

  test("takes flows off a link that has become worse than allowed", () => {
    const policy = makePolicy("balance-aware", { failoverMs: 3000 });
    const uplinks = new Uplinks(policy, policy);
    const { a, b, network } = uplinks;
    const send = () =>
      uplinks.countOut(() => {
        for (let port = 0; port < 32; port++) {
          uplinks.udp(a, b, 10_000 + port, 0);
          uplinks.say(b, a);
          network.advance(20);
        }
      });
    assert.ok(send().every((count) => count > 4));
    const slow = UPLINKS[0];
    network.delay = (from, to) => (formatIp(from.ip) === slow || formatIp(to.ip) === slow ? 900 : 0);
    for (let i = 0; i < 60; i++) send();
    assert.ok(uplinks.links()[0]!.latencyMs > 500, `measured ${uplinks.links()[0]!.latencyMs} ms`);
    assert.ok(uplinks.links()[1]!.latencyMs < 50);
    assert.deepEqual(send(), [0, 32]);
    assert.ok(uplinks.bonds.statistics.flowsMoved > 0);
  });
});

describe("broadcast", () => {
  test("sends every frame on every link; a bonded receiver takes it once, and a cut uplink costs nothing", () => {
    const policy = makePolicy("broadcast");
    const uplinks = new Uplinks(policy, policy);
    const { a, b, network } = uplinks;
    const before = b.frames.length;
    const counts = uplinks.countOut(() => {
      for (let i = 0; i < 20; i++) {
        uplinks.say(a, b);
        network.advance(20);
      }
    });
    assert.deepEqual(counts, [20, 20]);
    assert.equal(b.frames.length - before, 20);
    assert.ok(uplinks.farBonds!.statistics.duplicates >= 20);
    uplinks.cut.add(UPLINKS[0]);
    assert.equal(uplinks.ping(10_000).lost, 0);
  });

  test("reaches a receiver that does not bond twice, as in the reference", () => {
    const uplinks = new Uplinks(makePolicy("broadcast"));
    const before = uplinks.b.frames.length;
    uplinks.say(uplinks.a, uplinks.b);
    uplinks.network.advance(50);
    assert.equal(uplinks.b.frames.length - before, 2);
  });
});

describe("bonds", () => {
  test("are made of no root, and end with the talk", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP);
    const { a, network } = uplinks;
    const bonded = a.host.views.peers(network.now).filter(({ bond }) => bond !== undefined);
    assert.deepEqual(
      bonded.map(({ address }) => address),
      [uplinks.b.host.address],
    );
    network.kill(uplinks.b.host);
    network.advance(600_000);
    assert.equal(uplinks.bonds.gauges(network.now).bonds["active-backup"], 0);
  });

  test("measure latency with peers that bond and with those that do not", () => {
    for (const far of [null, ACTIVE_BACKUP]) {
      const uplinks = new Uplinks(ACTIVE_BACKUP, far);
      for (let i = 0; i < 30; i++) uplinks.ping(1000);
      for (const link of uplinks.links()) assert.ok(link!.latencyMs >= 4 && link!.latencyMs <= 6, `${link!.latencyMs}`);
      assert.equal(uplinks.bonds.statistics.reportsIn > 0, far !== null);
    }
  });

  test("see the loss of a link that the peer reports on", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP, ACTIVE_BACKUP);
    let nth = 0;
    uplinks.network.filter = (from, _to, bytes) => formatIp(from.ip) === FAR || bytes.length < 400 || nth++ % 5 !== 0;
    for (let i = 0; i < 90; i++) uplinks.ping(1000);
    const used = uplinks.links()[uplinks.inUse]!;
    assert.ok(used.lossRatio > 0.1 && used.lossRatio < 0.3, `${used.lossRatio}`);
  });

  test("take the size of datagrams for an interface and an address", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP);
    const { bonds } = uplinks;
    const far = parseIp(FAR)!;
    assert.equal(bonds.setMtu(60, "eth0", far), "unreasonable");
    assert.equal(bonds.setMtu(1200, "eth7", far), "unknown");
    for (const device of ["eth0", "eth1"]) assert.equal(bonds.setMtu(1200, device, far), "done");
    const before = uplinks.network.captured.length;
    uplinks.a.send(uplinks.b.mac, "y".repeat(1300));
    const sizes = uplinks.network.captured.slice(before).map(({ bytes }) => bytes.length);
    assert.deepEqual(
      sizes.filter((size) => size > 100).map((size) => size <= 1200),
      [true, true],
    );
    uplinks.network.advance(50);
    assert.ok(uplinks.b.heard.at(-1)!.startsWith("yyy"));
  });

  test("end when the settings no longer ask for them", () => {
    const uplinks = new Uplinks(ACTIVE_BACKUP);
    uplinks.bonds.configure({ defaultPolicy: "none", policies: new Map(), peers: new Map() });
    assert.equal(uplinks.bondOf(uplinks.a), undefined);
    assert.equal(uplinks.bonds.active, false);
    assert.equal(uplinks.ping(2000).lost, 0);
    assert.equal(uplinks.bonds.setMtu(1200, "eth0", parseIp(FAR)!), "off");
  });
});
