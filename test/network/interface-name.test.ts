/** What the interface of a network is called. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freeInterfaceName, interfaceName, parseDeviceMap } from "../../src/network/interface-name.ts";
import { parseNetworkId } from "../../src/network/network-id.ts";
import { vectors } from "../protocol/fixtures.ts";

test("interfaces have the reference's names", () => {
  assert.equal(interfaceName(0x9c650471be000002n), "zt5xnqi4n4");
  const { linuxInterfaceNames } = vectors<{
    linuxInterfaceNames: { networkId: string; trial: number; interface: string }[];
  }>("addresses");
  for (const { networkId, trial, interface: name } of linuxInterfaceNames) {
    assert.equal(interfaceName(parseNetworkId(networkId)!, trial), name);
  }
});

test("an interface has the name of the device map, or the first free one of its network", () => {
  const id = 0x9c650471be000002n;
  const map = parseDeviceMap("9C650471BE000002=lan0\n nonsense\n1122334455667788 = home \n0000000000000001=a/b\n=x\n");
  assert.deepEqual(
    [...map],
    [
      [id, "lan0"],
      [0x1122334455667788n, "home"],
    ],
  );
  const taken =
    (...names: string[]) =>
    (name: string) =>
      names.includes(name);
  assert.equal(freeInterfaceName(id, "lan0", taken()), "lan0");
  assert.equal(freeInterfaceName(id, "lan0", taken("lan0")), "zt5xnqi4n4");
  assert.equal(freeInterfaceName(id, undefined, taken("zt5xnqi4n4", "zt5xnqi4n5")), "zt5xnqi4n6");
  assert.equal(
    freeInterfaceName(id, undefined, () => true),
    null,
  );
});
