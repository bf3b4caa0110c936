/** A member of a network as `/api/v1` takes and gives it. */
import { z } from "zod";
import {
  decimal64,
  description,
  direction,
  flag,
  integer,
  ip,
  name,
  networkId,
  nodeAddress,
  pageOf,
  paging,
  queryFlag,
  queryTime,
  search,
  timestamp,
  u32,
} from "./value-schema.ts";

export const MAX_MEMBER_IPS = 32;
export const MAX_MEMBER_TAGS = 128;
export const MAX_MEMBER_CAPABILITIES = 128;
export const MAX_BULK = 1000;

const tag = z.strictObject({ id: u32, value: u32 }).meta({ description: 'a tag such as {"id": 1000, "value": 100}' });
const tags = z
  .array(tag)
  .max(MAX_MEMBER_TAGS)
  .meta({ description: `a list of at most ${MAX_MEMBER_TAGS} tags` });
const capabilities = z
  .array(u32)
  .max(MAX_MEMBER_CAPABILITIES)
  .meta({ description: `a list of at most ${MAX_MEMBER_CAPABILITIES} capability ids` });
const ipAssignments = z
  .array(ip)
  .max(MAX_MEMBER_IPS)
  .meta({ description: `a list of at most ${MAX_MEMBER_IPS} addresses, each inside a managed route` });

const expiry = timestamp
  .nullable()
  .meta({ description: "when the authorization ends (ms since 1970), or null for never", example: null });

const remoteTraceTarget = nodeAddress
  .nullable()
  .meta({ description: "the node that this member sends traces to, or null for the network's" });

const settings = {
  name: name.optional(),
  description: description.optional(),
  authorized: flag.optional(),
  authorizationExpiresAt: expiry.optional(),
  bridge: flag.optional(),
  autoAssign: flag.optional().meta({ description: "false if it shall not be given addresses from pools" }),
  ipAssignments: ipAssignments.optional(),
  capabilities: capabilities.optional(),
  tags: tags.optional(),
  remoteTrace: z
    .strictObject({ target: remoteTraceTarget.optional(), level: integer(0, 255, 0).optional() })
    .optional(),
};

export const memberPatch = z.strictObject(settings).meta({
  id: "MemberPatch",
  description: "settings of a member; what is left out stays as it is, lists are replaced as a whole",
});

export const memberPut = z
  .strictObject({
    identity: z.string().max(400).optional().meta({
      description: "the public identity <address>:0:<128 hex digits>: then only the node with these keys is let in",
    }),
    ...settings,
  })
  .meta({
    id: "MemberPut",
    description:
      "a member that shall exist, also before its node has ever shown up. A new one is authorized unless the body says " +
      "otherwise; of one that exists, what is left out stays as it is",
  });

const status = z
  .strictObject({
    online: flag.meta({ description: "it asked for its configuration within the last two minutes" }),
    lastSeen: timestamp.nullable().meta({ description: "null if it never asked" }),
    version: z.string().nullable(),
    platform: z.string().nullable(),
    physicalAddress: z.string().nullable().meta({ description: "ip/port it is reached at directly" }),
    reach: z.enum(["direct", "relayed", "unknown"]),
    root: nodeAddress.nullable().meta({ description: "the root that carries its packets, if they are relayed" }),
    latency: z.number().nullable().meta({ description: "ms" }),
  })
  .meta({ id: "MemberStatus" });

export const member = z
  .strictObject({
    address: nodeAddress,
    networkId,
    name: z.string(),
    description: z.string(),
    authorized: flag,
    authorizationExpiresAt: timestamp.nullable(),
    authorizedAt: timestamp.nullable(),
    deauthorizedAt: timestamp.nullable(),
    authorizedBy: z
      .enum(["api", "public", "token"])
      .nullable()
      .meta({ description: "by somebody (api), because the network was public, by a token; null if never" }),
    bridge: flag,
    autoAssign: flag,
    ipAssignments: z.array(z.string()),
    derivedAddresses: z
      .array(z.string())
      .meta({ description: "IPv6 addresses that follow from its address, as far as the network gives them out" }),
    capabilities: z.array(z.number().int()),
    tags: z.array(z.strictObject({ id: z.number().int(), value: z.number().int() })),
    remoteTrace: z.strictObject({ target: z.string().nullable(), level: z.number().int() }),
    identity: z.string().nullable(),
    mac: z.string(),
    stranger: flag.meta({ description: "nobody but the node itself has touched this record" }),
    createdAt: timestamp,
    revision: decimal64,
    status,
  })
  .meta({ id: "Member" });

export const memberPage = pageOf(member).meta({ id: "MemberPage" });

/** Which members of a network are meant. */
const filter = {
  search,
  authorized: queryFlag,
  bridge: queryFlag,
  activeSince: queryTime,
  inactiveSince: queryTime,
  stranger: queryFlag,
};

export const memberQuery = z.strictObject({
  ...paging,
  ...filter,
  order: z
    .enum(["address", "name", "created", "lastSeen"])
    .meta({ description: "address, name, created or lastSeen" })
    .optional(),
  direction,
});

const bulkFilter = z
  .strictObject({
    search,
    authorized: flag.optional(),
    bridge: flag.optional(),
    activeSince: timestamp.optional(),
    inactiveSince: timestamp.optional(),
    stranger: flag.optional(),
  })
  .meta({ id: "MemberFilter", description: 'a filter such as {"authorized": false}; {} means every member' });

export const memberBulk = z
  .strictObject({
    action: z
      .enum(["authorize", "deauthorize", "delete", "setTags", "setCapabilities"])
      .meta({ description: "authorize, deauthorize, delete, setTags or setCapabilities" }),
    addresses: z
      .array(nodeAddress)
      .min(1)
      .max(MAX_BULK)
      .optional()
      .meta({ description: `a list of at most ${MAX_BULK} node addresses` }),
    filter: bulkFilter.optional(),
    cursor: paging.cursor.meta({ description: "what `next` said in the answer before, together with the same filter" }),
    tags: tags.optional(),
    capabilities: capabilities.optional(),
    authorizationExpiresAt: expiry.optional(),
  })
  .superRefine((body, context) => {
    const fail = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if ((body.addresses === undefined) === (body.filter === undefined)) {
      fail("addresses", "write either addresses or a filter, and not both");
    }
    if (body.cursor !== undefined && body.filter === undefined) fail("cursor", "a cursor goes with a filter");
    for (const [action, field] of [
      ["setTags", "tags"],
      ["setCapabilities", "capabilities"],
    ] as const) {
      if ((body.action === action) !== (body[field] !== undefined))
        fail(field, `${field} belong to ${action}, and only there`);
    }
    if (body.authorizationExpiresAt !== undefined && body.action !== "authorize") {
      fail("authorizationExpiresAt", "goes with authorize only");
    }
  })
  .meta({ id: "MemberBulk" });

export const memberBulkResult = z
  .strictObject({
    results: z
      .array(
        z.strictObject({
          address: nodeAddress,
          result: z.enum(["done", "unchanged", "notFound", "failed"]),
          message: z.string().nullable().meta({ description: "why it failed" }),
        }),
      )
      .max(MAX_BULK),
    next: z
      .string()
      .nullable()
      .meta({
        description: `a filter changes at most ${MAX_BULK} members at once: send it again with this cursor; null if all are done`,
      }),
  })
  .meta({ id: "MemberBulkResult" });

export type MemberPatch = z.output<typeof memberPatch>;
export type MemberPut = z.output<typeof memberPut>;
export type MemberView = z.output<typeof member>;
export type MemberBulk = z.output<typeof memberBulk>;
