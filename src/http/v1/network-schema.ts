/** A network as `/api/v1` takes and gives it. */
import { z } from "zod";
import {
  decimal64,
  description,
  direction,
  flag,
  integer,
  ip,
  ipv4,
  ipv6,
  name,
  networkId,
  nodeAddress,
  pageOf,
  paging,
  prefix,
  search,
  timestamp,
  u32,
} from "./value-schema.ts";

export const MAX_ROUTES = 128;
export const MAX_POOLS = 128;
export const MAX_DNS_SERVERS = 4;
export const MAX_DOMAIN_BYTES = 127;
/** What a member takes (vl2-networks.md §1.5). */
export const MIN_MTU = 1280;
export const MAX_MTU = 10_000;
export const MAX_RULES_SOURCE_LENGTH = 262_144;

const access = z
  .enum(["private", "public"])
  .meta({ description: "private (members are authorized one by one) or public (whoever asks is a member)" });

const route = z
  .strictObject({
    target: prefix,
    via: ip
      .nullable()
      .default(null)
      .meta({ description: "an address inside a managed route, or null for the network itself" }),
  })
  .meta({ description: 'a route such as {"target": "10.147.17.0/24"}' });

const routes = z
  .array(route)
  .max(MAX_ROUTES)
  .meta({ description: `a list of at most ${MAX_ROUTES} routes` });

function poolsOf(address: typeof ipv4, example: string) {
  const range = z.strictObject({ start: address, end: address }).meta({ description: `a range such as ${example}` });
  return z
    .array(range)
    .max(MAX_POOLS)
    .meta({ description: `a list of at most ${MAX_POOLS} address ranges` });
}

const pools4 = poolsOf(ipv4, '{"start": "10.147.17.1", "end": "10.147.17.254"}');
const pools6 = poolsOf(ipv6, '{"start": "fd00:1234::1", "end": "fd00:1234::ffff"}');

const dns = z
  .strictObject({
    domain: z
      .string()
      .min(1)
      .refine((text) => Buffer.byteLength(text) <= MAX_DOMAIN_BYTES)
      .meta({ description: `a domain of at most ${MAX_DOMAIN_BYTES} bytes`, example: "lab.example" }),
    servers: z
      .array(ip)
      .max(MAX_DNS_SERVERS)
      .meta({ description: `a list of at most ${MAX_DNS_SERVERS} addresses` }),
  })
  .meta({ description: 'an object such as {"domain": "lab.example", "servers": ["10.147.17.1"]}, or null for none' });

const multicastLimit = integer(0, 65_535, 32);
const mtu = integer(MIN_MTU, MAX_MTU, 2800);
const rulesSource = z
  .string()
  .max(MAX_RULES_SOURCE_LENGTH)
  .meta({ description: `rules of at most ${MAX_RULES_SOURCE_LENGTH} characters`, example: "accept;" });

const remoteTrace = z.strictObject({
  target: nodeAddress.nullable().meta({ description: "the node that members send traces to, or null for none" }),
  level: integer(0, 255, 0),
});

const counts = z
  .strictObject({
    total: integer(0, Number.MAX_SAFE_INTEGER, 4),
    authorized: integer(0, Number.MAX_SAFE_INTEGER, 3),
    bridges: integer(0, Number.MAX_SAFE_INTEGER, 0),
    strangers: integer(0, Number.MAX_SAFE_INTEGER, 1).meta({
      description: "records that only their node has touched",
    }),
  })
  .meta({ id: "MemberCounts" });

/** What may be told of a network when it is made or changed; everything may be left out. */
const settings = {
  name: name.optional(),
  description: description.optional(),
  access: access.optional(),
  mtu: mtu.optional(),
  multicast: z.strictObject({ broadcast: flag.optional(), limit: multicastLimit.optional() }).optional(),
  routes: routes.optional(),
  ipv4: z.strictObject({ assign: flag.optional(), pools: pools4.optional() }).optional(),
  ipv6: z
    .strictObject({
      assign: flag.optional(),
      rfc4193: flag.optional(),
      sixPlane: flag.optional(),
      pools: pools6.optional(),
    })
    .optional(),
  dns: dns.nullable().optional(),
  rules: z.strictObject({ source: rulesSource }).optional(),
  remoteTrace: z
    .strictObject({ target: remoteTrace.shape.target.optional(), level: remoteTrace.shape.level.optional() })
    .optional(),
};

export const networkPatch = z.strictObject(settings).meta({
  id: "NetworkPatch",
  description: "settings of a network; what is left out stays as it is, lists are replaced as a whole",
});

export const networkCreate = z
  .strictObject({
    id: networkId.optional(),
    subnet: z
      .union([z.literal("auto"), prefix])
      .nullable()
      .optional()
      .meta({
        description: 'an IPv4 network ip/bits for its members, "auto" for a free one (the default), or null for none',
        example: "auto",
      }),
    ...settings,
  })
  .meta({
    id: "NetworkCreate",
    description:
      "settings of a new network; what is left out is safe: private, default rules, a free subnet. " +
      "`routes` or `ipv4` switch the free subnet off",
  });

const summary = {
  id: networkId,
  name: z.string(),
  description: z.string(),
  access,
  mtu: z.number().int(),
  multicast: z.strictObject({ broadcast: flag, limit: z.number().int() }),
  routes: z.array(z.strictObject({ target: z.string(), via: z.string().nullable() })),
  ipv4: z.strictObject({
    assign: flag,
    pools: z.array(z.strictObject({ start: z.string(), end: z.string() })),
  }),
  ipv6: z.strictObject({
    assign: flag,
    rfc4193: flag,
    sixPlane: flag,
    pools: z.array(z.strictObject({ start: z.string(), end: z.string() })),
  }),
  dns: z.strictObject({ domain: z.string(), servers: z.array(z.string()) }).nullable(),
  remoteTrace: z.strictObject({ target: z.string().nullable(), level: z.number().int() }),
  memberCounts: counts,
  createdAt: timestamp,
  revision: decimal64,
};

export const networkSummary = z
  .strictObject(summary)
  .meta({ id: "NetworkSummary", description: "a network without its rules" });

const capabilitySummary = z.strictObject({
  id: u32,
  default: flag.meta({ description: "true if new members get it" }),
  rules: integer(0, 1024, 1).meta({ description: "the number of its rules" }),
});
const tagSummary = z.strictObject({ id: u32, default: u32.nullable() });

export const network = z
  .strictObject({
    ...summary,
    rules: z.strictObject({
      source: z.string().nullable().meta({ description: "null if the rules were set by a tool without source" }),
      count: integer(0, 16_384, 5),
    }),
    capabilities: z.array(capabilitySummary),
    tags: z.array(tagSummary),
  })
  .meta({ id: "Network" });

export const networkPage = pageOf(networkSummary).meta({ id: "NetworkPage" });

export const networkQuery = z.strictObject({
  ...paging,
  search,
  order: z.enum(["id", "name", "created", "members"]).meta({ description: "id, name, created or members" }).optional(),
  direction,
});

/** What the handlers work with. */
export type NetworkPatch = z.output<typeof networkPatch>;
export type NetworkCreate = z.output<typeof networkCreate>;
export type NetworkView = z.output<typeof network>;
export type NetworkSummaryView = z.output<typeof networkSummary>;
