/** `/networks/{networkId}/members` and `/networks/{networkId}/members/{address}`. */
import type { MemberRecord, NetworkRecord } from "../../controller/records.ts";
import { formatIdentity, parseIdentity } from "../../identity/identity.ts";
import { type Address, formatAddress, isReservedAddress } from "../../protocol/address.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import type { V1Context } from "./context.ts";
import { ApiError, invalid } from "./errors.ts";
import { checkPrecondition, recordTag } from "./etag.ts";
import { existingNetwork, mustBeMember } from "./lookups.ts";
import { memberView, newMember, patchMember, pinIdentity } from "./member-model.ts";
import {
  type MemberPatch,
  type MemberView,
  member,
  memberPage,
  memberPatch,
  memberPut,
  memberQuery,
} from "./member-schema.ts";
import { type Answer, created, DONE, type Operation, operation, shown } from "./operation.ts";
import { DEFAULT_PAGE } from "./value-schema.ts";

async function viewOf(
  context: V1Context,
  network: NetworkRecord,
  record: MemberRecord,
  now: number,
): Promise<MemberView> {
  return memberView(record, network, await context.controller.status(network.id, record.address, now));
}

/** Throws `ApiError` 409 if another member has one of the addresses that are not the member's own already. */
async function checkIpsFree(
  { controller }: V1Context,
  networkId: bigint,
  address: Address,
  patch: MemberPatch,
): Promise<void> {
  for (const [at, text] of (patch.ipAssignments ?? []).entries()) {
    const ip = parseIp(text);
    if (ip === null || !(await controller.reader.ipTaken(networkId, ip, address))) continue;
    const message = `${text} belongs to another member`;
    throw new ApiError("conflict", message, [{ path: `ipAssignments.${at}`, message, expected: "a free address" }]);
  }
}

/** The text form to keep, or null if none was given. */
async function givenIdentity(context: V1Context, address: Address, text: string | undefined): Promise<string | null> {
  if (text === undefined) return null;
  const fail = (message: string, expected: string) => invalid([{ path: "identity", message, expected }]);
  const identity = parseIdentity(text);
  const form = `${formatAddress(address)}:0:<128 hex digits>`;
  if (identity === null) throw fail(`is no identity: write ${form}`, form);
  if (identity.hasSecret)
    throw fail("contains the secret key: write only the first three fields, and renew the identity", form);
  if (identity.address !== address)
    throw fail(`belongs to ${formatAddress(identity.address)}, not to this member`, form);
  if (!(await context.validateIdentity(identity)))
    throw fail("its address does not follow from its keys", "the identity as the node has it");
  return formatIdentity(identity);
}

function checkNode(address: Address): void {
  if (!isReservedAddress(address)) return;
  const expected = "an address that a node can have";
  throw invalid([{ path: "path.address", message: `${formatAddress(address)} is reserved`, expected }]);
}

export function memberOperations(context: V1Context): Operation[] {
  const { controller } = context;
  const { reader } = controller;
  const answer = async (network: NetworkRecord, record: MemberRecord, now: number): Promise<Answer> =>
    shown(await viewOf(context, network, record, now), recordTag(record));
  return [
    operation({
      method: "GET",
      path: "/networks/{networkId}/members",
      id: "listMembers",
      routeClass: "members",
      summary: "Members of a network, page by page",
      scope: "read",
      query: memberQuery,
      responses: { 200: { description: "a page of members", schema: memberPage } },
      errors: ["notFound"],
      async handle({ networkId, query, now }) {
        const network = await existingNetwork(reader, networkId);
        const page = await reader.members({
          networkId,
          limit: query.limit ?? DEFAULT_PAGE,
          cursor: query.cursor ?? null,
          search: query.search ?? "",
          authorized: query.authorized ?? null,
          bridge: query.bridge ?? null,
          stranger: query.stranger ?? null,
          seenSince: query.activeSince ?? null,
          notSeenSince: query.inactiveSince ?? null,
          order: query.order ?? "address",
          descending: query.direction === "descending",
        });
        const items = await Promise.all(page.items.map(({ record }) => viewOf(context, network, record, now)));
        return shown({ items, next: page.next, total: page.total });
      },
    }),
    operation({
      method: "GET",
      path: "/networks/{networkId}/members/{address}",
      id: "getMember",
      routeClass: "members",
      summary: "One member",
      scope: "read",
      responses: { 200: { description: "the member", schema: member } },
      errors: ["notFound"],
      async handle({ networkId, address, now }) {
        const network = await existingNetwork(reader, networkId);
        const record = mustBeMember(networkId, address, await reader.member(networkId, address));
        return answer(network, record, now);
      },
    }),
    operation({
      method: "PUT",
      path: "/networks/{networkId}/members/{address}",
      id: "putMember",
      routeClass: "members",
      summary: "Expect a member, also before its node has ever shown up",
      description:
        "Makes the member if there is none (authorized unless the body says otherwise); of one that exists, what the body " +
        "leaves out stays as it is. With an identity only the node with these keys is let in. " +
        "If-None-Match: * refuses to touch one that exists.",
      scope: "write",
      body: memberPut,
      responses: {
        200: { description: "the member as it is now", schema: member },
        201: { description: "the new member", schema: member },
      },
      errors: ["notFound", "conflict", "preconditionFailed"],
      async handle({ networkId, address, body, caller, precondition, now }) {
        checkNode(address);
        const network = await existingNetwork(reader, networkId);
        const { identity: text, ...patch } = body;
        const identity = await givenIdentity(context, address, text);
        await checkIpsFree(context, networkId, address, patch);
        let isNew = false;
        const record = await controller.changeMember(networkId, address, caller.actor, now, (current, inNetwork) => {
          checkPrecondition(precondition, current === null ? null : recordTag(current));
          isNew = current === null;
          const settings = current === null ? { ...patch, authorized: patch.authorized ?? true } : patch;
          const draft = patchMember(current ?? newMember(networkId, address, now), inNetwork, settings, now);
          return identity === null ? draft : pinIdentity(draft, identity);
        });
        const held = mustBeMember(networkId, address, record);
        if (!isNew) return answer(network, held, now);
        const value = await viewOf(context, network, held, now);
        return created(value, recordTag(held), `/networks/${value.networkId}/members/${value.address}`);
      },
    }),
    operation({
      method: "PATCH",
      path: "/networks/{networkId}/members/{address}",
      id: "changeMember",
      routeClass: "members",
      summary: "Change a member: authorize it, name it, give it addresses",
      description:
        "What the body leaves out stays as it is. A member that is authorized for the first time also gets the default " +
        "capabilities of the network.",
      scope: "write",
      body: memberPatch,
      responses: { 200: { description: "the member as it is now", schema: member } },
      errors: ["notFound", "conflict", "preconditionFailed"],
      async handle({ networkId, address, body, caller, precondition, now }) {
        const network = await existingNetwork(reader, networkId);
        await checkIpsFree(context, networkId, address, body);
        const record = await controller.changeMember(networkId, address, caller.actor, now, (current, inNetwork) => {
          const held = mustBeMember(networkId, address, current);
          checkPrecondition(precondition, recordTag(held));
          return patchMember(held, inNetwork, body, now);
        });
        return answer(network, mustBeMember(networkId, address, record), now);
      },
    }),
    operation({
      method: "DELETE",
      path: "/networks/{networkId}/members/{address}",
      id: "deleteMember",
      routeClass: "members",
      summary: "Delete a member",
      description: "It is cut off at once. If its node asks again it is back as a stranger, not authorized.",
      scope: "write",
      responses: { 204: { description: "deleted", schema: null } },
      errors: ["notFound", "preconditionFailed"],
      async handle({ networkId, address, caller, precondition, now }) {
        await existingNetwork(reader, networkId);
        const held = mustBeMember(networkId, address, await reader.member(networkId, address));
        checkPrecondition(precondition, recordTag(held));
        mustBeMember(networkId, address, await controller.deleteMember(networkId, address, caller.actor, now));
        return DONE;
      },
    }),
  ];
}
