/** What follows from a network's id and a member's address. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { linkLocalAddress, rfc4193Address, sixPlaneAddress } from "../../src/network/derived-addresses.ts";
import { MemberMacs } from "../../src/network/mac.ts";
import {
  controllerOf,
  formatNetworkId,
  isAdHoc,
  isAdHocHub,
  isAdHocPortRange,
  networkIdFromRandom,
  networkNumber,
  parseNetworkId,
} from "../../src/network/network-id.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import {
  addressResolutionGroup,
  BROADCAST_MAC,
  formatMac,
  isMulticastMac,
  parseMac,
} from "../../src/protocol/ethernet.ts";
import { formatIp, parseIp } from "../../src/protocol/inet-address.ts";
import { vectors } from "../protocol/fixtures.ts";
import { address } from "./credential-vectors.ts";

function network(text: string): bigint {
  return parseNetworkId(text) ?? assert.fail(text);
}

function mac(text: string): number {
  return parseMac(text) ?? assert.fail(text);
}

describe("a network id", () => {
  test("has text of 16 digits, in either case", () => {
    assert.equal(parseNetworkId("8056C2E21C000001"), 0x8056c2e21c000001n);
    assert.equal(formatNetworkId(0x8056c2e21c000001n), "8056c2e21c000001");
    assert.equal(formatNetworkId(1n), "0000000000000001");
    for (const text of ["", "8056c2e21c00001", "8056c2e21c0000011", "8056c2e21c00000g", " 8056c2e21c00000"]) {
      assert.equal(parseNetworkId(text), null, text);
    }
  });

  test("names its controller and its number", () => {
    assert.equal(controllerOf(0xfedcba9876543210n), 0xfedcba9876);
    assert.equal(networkNumber(0xfedcba9876543210n), 0x543210);
  });

  test("is drawn from 24 random bits, of which none are all zero", () => {
    assert.equal(networkIdFromRandom(0xfedcba9876, 0x12345678), 0xfedcba9876345678n);
    assert.equal(networkIdFromRandom(0x0000000001, 0xff000000), 0x0000000001000001n);
    assert.equal(networkIdFromRandom(0x0000000001, 0xffffffff), 0x0000000001ffffffn);
  });

  test("tells whether its members do without a controller", () => {
    const forms: [string, boolean, boolean, boolean][] = [
      ["ff0050005a000000", true, true, false],
      ["ff0a263f7e77de01", true, false, true],
      ["ff00500050000002", true, false, false],
      ["fe0a263f7e77de01", false, false, false],
      ["0fff0050005a0000", false, false, false],
    ];
    for (const [text, adHoc, portRange, hub] of forms) {
      const id = network(text);
      assert.deepEqual([isAdHoc(id), isAdHocPortRange(id), isAdHocHub(id)], [adHoc, portRange, hub], text);
    }
  });
});

describe("the MAC of a member", () => {
  interface MacVectors {
    cases: { name: string; networkId: string; address: string; mac: string; firstOctet: string; reverse: string }[];
    reverseCases: {
      name: string;
      networkId: string;
      mac: string;
      address: string;
      multicast: boolean;
      broadcast: boolean;
    }[];
  }
  const { cases, reverseCases } = vectors<MacVectors>("mac");

  for (const one of cases) {
    test(`follows from network and address: ${one.name}`, () => {
      const macs = new MemberMacs(network(one.networkId));
      assert.equal(formatMac(macs.macOf(address(one.address))), one.mac);
      assert.equal(macs.firstOctet, Number.parseInt(one.firstOctet, 16));
      assert.equal(macs.addressOf(mac(one.mac)), address(one.reverse));
      assert.equal(macs.isMember(mac(one.mac)), true);
    });
  }

  for (const one of reverseCases) {
    test(`is turned back whatever it is: ${one.name}`, () => {
      const macs = new MemberMacs(network(one.networkId));
      assert.equal(macs.addressOf(mac(one.mac)), address(one.address));
      assert.equal(isMulticastMac(mac(one.mac)), one.multicast);
      assert.equal(mac(one.mac) === BROADCAST_MAC, one.broadcast);
    });
  }

  test("is told from the MAC of a bridged host", () => {
    const macs = new MemberMacs(network("8056c2e21c000001"));
    assert.equal(macs.isMember(mac("02:00:00:00:00:00")), true);
    assert.equal(macs.isMember(mac("06:00:00:00:00:00")), false);
    assert.equal(macs.isMember(BROADCAST_MAC), false);
  });
});

describe("addresses that follow from others", () => {
  interface AddressVectors {
    cases: {
      name: string;
      networkId: string;
      address: string;
      sixplaneHex: string;
      sixplaneBits: number;
      rfc4193Hex: string;
      rfc4193Bits: number;
      mac: string;
      linkLocal: string;
    }[];
    addressResolutionGroups: { ip: string; mac: string; adi: number }[];
  }
  const { cases, addressResolutionGroups } = vectors<AddressVectors>("addresses");

  for (const one of cases) {
    test(`are as recorded: ${one.name}`, () => {
      const [id, member] = [network(one.networkId), address(one.address)];
      const sixPlane = sixPlaneAddress(id, member);
      const rfc4193 = rfc4193Address(id, member);
      assert.deepEqual([toHex(sixPlane.ip), sixPlane.bits], [one.sixplaneHex, one.sixplaneBits]);
      assert.deepEqual([toHex(rfc4193.ip), rfc4193.bits], [one.rfc4193Hex, one.rfc4193Bits]);
      const own = new MemberMacs(id).macOf(member);
      assert.equal(formatMac(own), one.mac);
      assert.equal(formatIp(linkLocalAddress(own)), one.linkLocal);
    });
  }

  for (const { ip, mac: text, adi } of addressResolutionGroups) {
    test(`are looked for in the recorded group: ${ip}`, () => {
      assert.deepEqual(addressResolutionGroup(parseIp(ip)!), { mac: mac(text), adi });
    });
  }
});
