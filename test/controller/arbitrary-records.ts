/** Arbitrary JSON in the places where records of the controller have something else, for property tests. */
import fc from "fast-check";
import { ExactNumber, type JsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";

/** Any JSON value as it comes out of a request: exact numbers, objects without prototype. */
export const anyJson: fc.Arbitrary<JsonValue> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => parseJson(JSON.stringify(value), true));

/** Numbers and texts at the edges of what is converted. */
const edges: fc.Arbitrary<JsonValue> = fc.constantFrom<JsonValue>(
  null,
  true,
  "true",
  "zt",
  "",
  "10.1.2.3/24",
  "fd00::1/64",
  "999.1.1.1/8",
  "1.2.3.4/99",
  "0123456789",
  -1,
  0.5,
  2 ** 40,
  new ExactNumber("18446744073709551616"),
  new ExactNumber("1e400"),
  18446744073709551615n,
);

/** An object that has some of `keys`, each with a value of any type, more often one that nearly fits. */
export function objectWith(keys: readonly string[]): fc.Arbitrary<JsonObject> {
  const ipKeys = ["target", "via", "ipRangeStart", "ipRangeEnd"];
  const itemKeys = [...ipKeys, "id", "default", "rules", "type", "mask", "zt", "6plane", "domain", "servers"];
  const item = fc.dictionary(fc.constantFrom(...itemKeys), fc.oneof(edges, anyJson), { noNullPrototype: false });
  const ruleTypes = fc.constantFrom("ACTION_DROP", "MATCH_CHARACTERISTICS", "MATCH_ICMP", "MATCH_IPV4_SOURCE");
  const rule = fc.tuple(item, ruleTypes).map(([fields, type]): JsonObject => ({ ...fields, type }));
  const pair = fc.tuple(edges, edges).map((both): JsonValue => both);
  const list = fc.array(fc.oneof(edges, item, rule, pair), { maxLength: 6 }).map((items): JsonValue => items);
  return fc.dictionary(fc.constantFrom(...keys), fc.oneof(edges, item, list, anyJson), { noNullPrototype: false });
}

export const NETWORK_KEYS = [
  ...[
    "id",
    "nwid",
    "objtype",
    "creationTime",
    "revision",
    "name",
    "private",
    "enableBroadcast",
    "multicastLimit",
    "mtu",
  ],
  ...["remoteTraceTarget", "remoteTraceLevel", "v4AssignMode", "v6AssignMode", "routes", "ipAssignmentPools", "rules"],
  ...[
    "capabilities",
    "tags",
    "authTokens",
    "dns",
    "rulesSource",
    "ssoEnabled",
    "certificateTimeoutWindowSize",
    "clock",
  ],
  ...["__proto__", "custom"],
];

export const MEMBER_KEYS = [
  ...["id", "address", "nwid", "objtype", "authorized", "activeBridge", "noAutoAssignIps", "ipAssignments", "tags"],
  ...["capabilities", "name", "remoteTraceTarget", "remoteTraceLevel", "authenticationExpiryTime", "authenticationURL"],
  ...["ssoExempt", "creationTime", "lastAuthorizedTime", "identity", "vMajor", "revision", "recentLog", "__proto__"],
];
