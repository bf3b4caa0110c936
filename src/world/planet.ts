/**
 * The public planet, as official clients carry it. It is data: a moon's home needs it, because whoever orbits a moon
 * still lives on this planet. Nothing here contacts it. Facts: vl1-behaviour.md §6.2 (timestamp 1644592324813).
 */
import { fromHex } from "../protocol/bytes.ts";
import { decodeWorld, type World } from "./world.ts";

const PUBLIC_PLANET_HEX = [
  "010000000008eac90a0000017ee95760cdb8b388a469221491aa9acd66cc764cdefd56039f1067ae15e69c6fb42d7b55330e3fdaac52",
  "9c0792fd7340a6aa21aba8a489fdaea44a39bf2d00659ac9c818eb3600927637ef4d1404a44d544684851379751faa79b4c4ea850401",
  "75ea065860482402e1eb342052000e6290061a9be0cd293c8b55f1c3d2524808afc54922080e3539a75addc3cef0f6ad260d588293bb",
  "7786e71efa4b9057dad9867afe12dd04cafe9efeb900ccdef76bc7b97ded904eabc5df09886d9c1514a610036cb9139cc214001a2958",
  "978efcec15712dd3948c6e6b3a8e893df01ff493d1f8d9806a860c5420571bf000020468c20886270906260598800200120000300571",
  "0e3400512709778cde7190003f6681a99e5ad1895e9fba33e6212d4454e168bcec7112101bf000956ed8e92e42892cb6f2ec410881a8",
  "4ab19da50e1287ba3d926c3a1f755cccf299a120705500020467c3674227090626059880040000c30254f2bca1f70019270962f865ae",
  "7100e2076c57de870e6288d7d5e7404408b1545efca37d67f77b87e9e54168c25d3ef1a9abf2905ea5e785c01dff23887ad4232d95c7",
  "a8fd2c27111a72bd159322dc0002043207fc8a270906200149f0d0db000200000000000000022709cafe04eba9006c6a9d1dea55c161",
  "6bfe2a2b8f0ff9a8cacaf70374fb1f39e3bef81cbfebef17b7228268a0a2a29d3488c752565c6c965cbd6506ec24397cc8a5d9d15285",
  "a87f0002045411359b2709062a026ea0d405000000000000000099932709",
].join("");

let decoded: World | undefined;

/** The public planet: id 0x08eac90a, four roots. Always the same object. */
export function publicPlanet(): World {
  if (decoded === undefined) {
    const bytes = fromHex(PUBLIC_PLANET_HEX);
    const verdict = bytes === null ? undefined : decodeWorld(bytes);
    if (verdict === undefined || !verdict.ok) throw new Error("the built-in public planet does not decode");
    decoded = verdict.value.world;
  }
  return decoded;
}
