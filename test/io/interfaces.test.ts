import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { now } from "../../src/io/clock.ts";
import { localAddresses, systemAddresses } from "../../src/io/interfaces.ts";
import { IpTexts, RecentMap } from "../../src/io/ip-text.ts";
import { formatIp, parseIp, parsePrefix } from "../../src/protocol/inet-address.ts";

const NOTHING_EXCLUDED = { interfacePrefixBlacklist: [], blacklist: [] };

function addresses(...texts: string[]) {
  return texts.map((text) => {
    const [name, ip] = text.split(" ") as [string, string];
    return { name, ip: parseIp(ip)! };
  });
}

function shown(list: readonly { name: string; ip: Uint8Array }[]) {
  return list.map(({ name, ip }) => `${name} ${formatIp(ip)}`);
}

describe("local addresses", () => {
  test("skip virtual interfaces and addresses that can be no path", () => {
    const all = addresses(
      "eth0 192.0.2.2",
      "eth0 2001:db8::2",
      "eth0 fe80::1234",
      "eth0 169.254.1.1",
      "lo 10.0.0.1",
      "lo0 127.0.0.1",
      "eth1 127.0.0.2",
      "ztabcdef 10.1.1.1",
      "tun0 10.2.2.2",
      "tap3 10.3.3.3",
      "wlan0 100.64.1.1",
      "eth2 ::1",
      "eth3 224.0.0.1",
    );
    assert.deepEqual(shown(localAddresses(NOTHING_EXCLUDED, all)), [
      "eth0 192.0.2.2",
      "eth0 2001:db8::2",
      "wlan0 100.64.1.1",
    ]);
  });

  test("skip what the operator excludes by interface name and by prefix", () => {
    const all = addresses("eth0 192.0.2.2", "docker0 172.17.0.1", "eth1 10.1.2.3", "eth1 2001:db8::3");
    const filter = { interfacePrefixBlacklist: ["docker", "br-"], blacklist: [parsePrefix("10.0.0.0/8")!] };
    assert.deepEqual(shown(localAddresses(filter, all)), ["eth0 192.0.2.2", "eth1 2001:db8::3"]);
  });

  test("of this machine include its loopback before filtering and none after", () => {
    assert.ok(shown(systemAddresses()).includes("lo 127.0.0.1") || systemAddresses().length > 0);
    assert.ok(localAddresses(NOTHING_EXCLUDED).every(({ ip }) => ip[0] !== 127));
  });
});

describe("IP texts", () => {
  test("are parsed and formatted the same the first time and from memory, zones ignored", () => {
    const texts = new IpTexts();
    for (const text of ["192.0.2.7", "2001:db8::7", "255.255.255.255", "::"]) {
      const ip = texts.parse(text)!;
      assert.equal(texts.parse(text), ip);
      assert.equal(texts.format(ip), text);
      assert.equal(texts.format(new Uint8Array(ip)), text);
    }
    assert.deepEqual(texts.parse("fe80::2%eth0"), parseIp("fe80::2"));
    assert.equal(texts.parse("nonsense"), null);
  });

  test("keep recent entries and stay within their bound", () => {
    const map = new RecentMap<number, number>(10);
    for (let i = 0; i < 1000; i++) {
      map.set(i, i);
      assert.equal(map.get(0), 0, "asked for all the time, so never forgotten");
      assert.ok(map.size <= 20);
    }
    assert.equal(map.get(1), undefined);
    assert.equal(map.get(999), 999);
  });
});

describe("the clock", () => {
  test("tells milliseconds since the epoch", () => {
    assert.ok(Math.abs(now() - Date.now()) < 1000);
  });
});
