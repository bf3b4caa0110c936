/**
 * Addresses as the reference's controller reads them in routes, pools, assignments and rules: nothing is an error.
 * Facts: controller.md §3 ("Address text") and §4; `vectors/api/controller-rules.json`, `controller-network.json`.
 */
import { type IpPrefix, parseIp } from "../protocol/inet-address.ts";

const NUMBER_MASK = 0xffff;
/** Longer runs of digits are beyond 64 bits for certain: the reference then takes the largest number. */
const MAX_DIGITS = 19;

function numberAfterSlash(text: string): number {
  const [, sign, digits] = /^[ \t\n\v\f\r]*([+-]?)0*([0-9]*)/.exec(text)!;
  if (digits!.length > MAX_DIGITS) return NUMBER_MASK;
  const number = BigInt(digits!);
  return Number(BigInt.asUintN(16, sign === "-" ? -number : number));
}

/**
 * Reads "IP/number". The family is told by the first of `:` (6) and `.` (4) that is there; null if neither is. A bad
 * address of a known family gives all zeros, a missing number gives 0. `bits` is the number modulo 65536 and may exceed
 * the length of the IP: what that means is the caller's business.
 */
export function readLoosePrefix(text: string): IpPrefix | null {
  const slash = text.indexOf("/");
  const address = slash < 0 ? text : text.slice(0, slash);
  const family = address.includes(":") ? 6 : address.includes(".") ? 4 : null;
  if (family === null) return null;
  const bits = slash < 0 ? 0 : numberAfterSlash(text.slice(slash + 1));
  return { family, ip: parseIp(address) ?? new Uint8Array(family === 4 ? 4 : 16), bits };
}
