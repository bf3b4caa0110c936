/** `/networks/{networkId}/members:bulk`: one change for many members. */
import { z } from "zod";
import type { MemberRecord } from "../../controller/records.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import type { V1Context } from "./context.ts";
import { ApiError } from "./errors.ts";
import { existingNetwork, mustBeMember } from "./lookups.ts";
import { patchMember } from "./member-model.ts";
import { memberPatch } from "./member-schema.ts";
import { type Call, type Operation, operation, shown } from "./operation.ts";
import { MAX_PAGE, nodeAddress } from "./value-schema.ts";

const MAX_MEMBERS = 1000;

/** Which members: named, or all that a filter finds. */
const selection = z
  .union([
    z.strictObject({ addresses: z.array(nodeAddress).min(1).max(MAX_MEMBERS) }),
    z.strictObject({
      filter: z.strictObject({
        authorized: z.boolean().optional(),
        stranger: z.boolean().optional(),
        bridge: z.boolean().optional(),
        search: z.string().max(100).optional(),
      }),
    }),
  ])
  .meta({ description: `{"addresses": […]} or {"filter": {…}}, which takes ${MAX_MEMBERS} members at most` });
const bulk = z
  .strictObject({
    members: selection,
    action: z.enum(["change", "delete"]).meta({ description: "change or delete" }),
    change: memberPatch.optional().meta({ description: "what to change, as in PATCH of one member" }),
  })
  .meta({ id: "MembersBulk" });
const result = z
  .strictObject({
    results: z.array(
      z.strictObject({
        address: z.string(),
        done: z.boolean(),
        error: z.string().nullable().meta({ description: "why not; null if it was done" }),
      }),
    ),
    done: z.number().int(),
    failed: z.number().int(),
    more: z.boolean().meta({ description: "true if the filter finds more than were taken: ask again" }),
  })
  .meta({ id: "MembersBulkResult" });

type Bulk = z.output<typeof bulk>;

export function bulkOperations(context: V1Context): Operation[] {
  return [
    operation({
      method: "POST",
      path: "/networks/{networkId}/members:bulk",
      id: "changeMembers",
      routeClass: "members",
      summary: "Change or delete many members",
      description:
        "Each member is a transaction and an audit entry of its own: what fails for one is told and stops nobody else.",
      scope: "write",
      body: bulk,
      responses: { 200: { description: "what came of each", schema: result } },
      errors: ["notFound"],
      handle: (call) => run(context, call),
    }),
  ];
}

async function run(context: V1Context, { networkId, body, caller, now }: Call<null, Bulk>) {
  const { controller } = context;
  await existingNetwork(controller.reader, networkId);
  if ((body.action === "change") !== (body.change !== undefined)) {
    throw new ApiError("invalid", 'action "change" wants a change, "delete" none', [
      { path: "change", message: "does not go with the action", expected: 'a change, or action "delete" without one' },
    ]);
  }
  const { addresses, more } = await selected(context, networkId, body);
  const results: { address: string; done: boolean; error: string | null }[] = [];
  for (const address of addresses) {
    const shownAddress = formatAddress(address);
    try {
      const record =
        body.action === "delete"
          ? await controller.deleteMember(networkId, address, caller.actor, now)
          : await controller.changeMember(networkId, address, caller.actor, now, (current, inNetwork) => {
              const held: MemberRecord = mustBeMember(networkId, address, current);
              return patchMember(held, inNetwork, body.change ?? {}, now);
            });
      mustBeMember(networkId, address, record);
      results.push({ address: shownAddress, done: true, error: null });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      results.push({ address: shownAddress, done: false, error: error.message });
    }
  }
  const done = results.filter((one) => one.done).length;
  return shown({ results, done, failed: results.length - done, more });
}

async function selected(
  { controller }: V1Context,
  networkId: bigint,
  { members }: Bulk,
): Promise<{ addresses: Address[]; more: boolean }> {
  if ("addresses" in members) {
    return { addresses: [...new Set(members.addresses)].map((text) => Number.parseInt(text, 16)), more: false };
  }
  const { filter } = members;
  const page = await controller.reader.members({
    networkId,
    limit: Math.min(MAX_MEMBERS, MAX_PAGE),
    cursor: null,
    search: filter.search ?? "",
    authorized: filter.authorized ?? null,
    bridge: filter.bridge ?? null,
    stranger: filter.stranger ?? null,
    seenSince: null,
    notSeenSince: null,
    order: "address",
    descending: false,
  });
  return { addresses: page.items.map(({ record }) => record.address), more: page.next !== null };
}
