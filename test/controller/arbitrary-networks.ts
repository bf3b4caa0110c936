/** Random networks, as an API sends them, and what a member of them has to get. */
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/json/json.ts";
import { ruleToJson } from "../../src/network/rules/json.ts";
import { ICMP_CODE_SIGNIFICANT, type Rule } from "../../src/network/rules/rule.ts";
import { anyRule } from "../network/vector-rules.ts";

export interface DrawnNetwork {
  readonly network: JsonObject;
  readonly member: JsonObject;
  readonly expected: ExpectedConfig;
}

export interface ExpectedConfig {
  readonly name: string;
  readonly mtu: number;
  readonly multicastLimit: number;
  readonly enableBroadcast: boolean;
  readonly isPublic: boolean;
  readonly routes: readonly { readonly target: string; readonly via: string | null }[];
  readonly dns: { readonly domain: string; readonly servers: readonly string[] };
  readonly rules: readonly Rule[];
  readonly tags: readonly (readonly [id: number, value: number])[];
  readonly capabilities: readonly { readonly id: number; readonly rules: readonly Rule[] }[];
  readonly rfc4193: boolean;
  readonly sixPlane: boolean;
  /** The last byte of the managed IPv4 address, and its prefix; null if there is none. */
  readonly pool: { readonly first: number; readonly last: number; readonly bits: number } | null;
}

/** What the API's JSON can say of a rule: actions do not negate, some types are not taken, prefixes have a length. */
const PLAIN_ACTIONS = new Set(["ACTION_DROP", "ACTION_ACCEPT", "ACTION_BREAK"]);
const UNSAYABLE = new Set(["UNKNOWN", "ACTION_PRIORITY", "MATCH_INTEGER_RANGE"]);

const sayableRule: fc.Arbitrary<Rule> = anyRule
  .filter(({ type }) => !UNSAYABLE.has(type))
  .map((rule): Rule => {
    if (PLAIN_ACTIONS.has(rule.type)) return { ...rule, not: false, or: false };
    switch (rule.type) {
      case "ACTION_TEE":
      case "ACTION_WATCH":
        return { ...rule, not: false, or: false };
      case "ACTION_REDIRECT":
        return { ...rule, not: false, or: false, length: 0 };
      case "MATCH_IPV4_SOURCE":
      case "MATCH_IPV4_DEST":
        return { ...rule, bits: rule.bits % 33 };
      case "MATCH_IPV6_SOURCE":
      case "MATCH_IPV6_DEST":
        return { ...rule, bits: rule.bits % 129 };
      case "MATCH_ICMP": {
        const icmpFlags = rule.icmpFlags & ICMP_CODE_SIGNIFICANT;
        return { ...rule, icmpFlags, icmpCode: icmpFlags === 0 ? 0 : rule.icmpCode };
      }
      default:
        return rule;
    }
  });

const rulesOf = (maxLength: number) => fc.array(sayableRule, { maxLength });
const octet = fc.nat(254);
const textOf = (maxLength: number) => fc.string({ unit: fc.constantFrom(..."abcXYZ 0189-_.=\\\r\nß漢"), maxLength });

const route = fc.oneof(
  fc.record({
    target: fc
      .tuple(octet, octet, fc.integer({ min: 8, max: 32 }))
      .map(([a, b, bits]) => `10.${bits >= 16 ? a : 0}.${bits >= 24 ? b : 0}.0/${bits}`),
    via: fc.option(octet.map((d) => `172.20.7.${d}`)),
  }),
  fc.record({
    target: fc
      .tuple(fc.nat(0xffff), fc.integer({ min: 32, max: 64 }))
      .map(([a, bits]) => `fd${(a & 0xff).toString(16).padStart(2, "0")}::/${bits}`),
    via: fc.constant(null),
  }),
);

const definitions = <T>(value: fc.Arbitrary<T>) =>
  fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), value), { maxLength: 8, selector: ([id]) => id });

export const anyNetwork: fc.Arbitrary<DrawnNetwork> = fc
  .record({
    name: textOf(31),
    isPrivate: fc.boolean(),
    enableBroadcast: fc.boolean(),
    multicastLimit: fc.nat(1000),
    mtu: fc.integer({ min: 1280, max: 10_000 }),
    routes: fc.array(route, { maxLength: 12 }),
    pool: fc.option(fc.tuple(octet, fc.nat(40), fc.integer({ min: 16, max: 24 }))),
    rfc4193: fc.boolean(),
    sixPlane: fc.boolean(),
    dns: fc.option(
      fc.record({
        domain: fc.constantFrom("lab.example", "a", "x".repeat(127)),
        servers: fc.array(fc.constantFrom("10.1.1.1", "1.0.0.1", "fd00::53"), { maxLength: 4 }),
      }),
    ),
    rules: rulesOf(60),
    tags: definitions(fc.tuple(fc.nat(0xffffffff), fc.option(fc.nat(0xffffffff)))),
    capabilities: definitions(fc.tuple(fc.boolean(), rulesOf(10))),
  })
  .map((drawn) => ({ ...bodiesOf(drawn), expected: expectedOf(drawn) }));

interface Drawn {
  readonly name: string;
  readonly isPrivate: boolean;
  readonly enableBroadcast: boolean;
  readonly multicastLimit: number;
  readonly mtu: number;
  readonly routes: readonly { readonly target: string; readonly via: string | null }[];
  readonly pool: readonly [first: number, length: number, bits: number] | null;
  readonly rfc4193: boolean;
  readonly sixPlane: boolean;
  readonly dns: { readonly domain: string; readonly servers: string[] } | null;
  readonly rules: readonly Rule[];
  readonly tags: readonly (readonly [id: number, values: readonly [byDefault: number, own: number | null]])[];
  readonly capabilities: readonly (readonly [
    id: number,
    what: readonly [byDefault: boolean, rules: readonly Rule[]],
  ])[];
}

/** The pool lies in a network that no drawn route overlaps. */
const POOL_NETWORK = "172.20.7";

function poolOf({ pool }: Drawn): ExpectedConfig["pool"] {
  if (pool === null) return null;
  const first = Math.max(1, pool[0]);
  return { first, last: Math.min(254, first + pool[1]), bits: pool[2] };
}

function routesOf(drawn: Drawn): { target: string; via: string | null }[] {
  const pool = poolOf(drawn);
  const network =
    pool === null
      ? []
      : [{ target: `${pool.bits >= 24 ? POOL_NETWORK : maskedPool(pool.bits)}.0/${pool.bits}`, via: null }];
  return [...network, ...drawn.routes.map(({ target, via }) => ({ target, via }))];
}

/** The first three bytes of the pool's network of `bits` (16 … 24) bits. */
function maskedPool(bits: number): string {
  return `172.20.${7 & (0xff << (24 - bits))}`;
}

function bodiesOf(drawn: Drawn): Pick<DrawnNetwork, "network" | "member"> {
  const pool = poolOf(drawn);
  const json = (rules: readonly Rule[]): JsonValue[] => rules.map(ruleToJson);
  return {
    network: {
      name: drawn.name,
      private: drawn.isPrivate,
      enableBroadcast: drawn.enableBroadcast,
      multicastLimit: drawn.multicastLimit,
      mtu: drawn.mtu,
      routes: routesOf(drawn),
      ipAssignmentPools:
        pool === null
          ? []
          : [{ ipRangeStart: `${POOL_NETWORK}.${pool.first}`, ipRangeEnd: `${POOL_NETWORK}.${pool.last}` }],
      v4AssignMode: { zt: pool !== null },
      v6AssignMode: { rfc4193: drawn.rfc4193, "6plane": drawn.sixPlane, zt: false },
      dns: drawn.dns === null ? {} : { ...drawn.dns },
      rules: json(drawn.rules),
      tags: drawn.tags.map(([id, [byDefault]]) => ({ id, default: byDefault })),
      capabilities: drawn.capabilities.map(([id, [byDefault, rules]]) => ({
        id,
        default: byDefault,
        rules: json(rules),
      })),
    },
    member: {
      authorized: true,
      tags: drawn.tags.flatMap(([id, [, own]]): JsonValue[] => (own === null ? [] : [[id, own]])),
      capabilities: drawn.capabilities.map(([id]) => id),
    },
  };
}

function expectedOf(drawn: Drawn): ExpectedConfig {
  const { name, mtu, multicastLimit, enableBroadcast, rules, rfc4193, sixPlane } = drawn;
  const byId = (a: readonly [number, ...unknown[]], b: readonly [number, ...unknown[]]) => a[0] - b[0];
  return {
    name,
    mtu,
    multicastLimit,
    enableBroadcast,
    isPublic: !drawn.isPrivate,
    routes: routesOf(drawn),
    dns: { domain: drawn.dns?.domain ?? "", servers: drawn.dns?.servers ?? [] },
    rules,
    tags: drawn.tags.map(([id, [byDefault, own]]) => [id, own ?? byDefault] as const).sort(byId),
    capabilities: [...drawn.capabilities].sort(byId).map(([id, [, list]]) => ({ id, rules: list })),
    rfc4193,
    sixPlane,
    pool: poolOf(drawn),
  };
}
