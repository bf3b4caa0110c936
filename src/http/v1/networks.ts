/** `/networks` and `/networks/{networkId}`. */
import { newNetwork } from "../../controller/new-network.ts";
import type { NetworkRecord } from "../../controller/records.ts";
import { chooseSubnet, formatPrefix, isNetworkAddress, networkOf } from "../../controller/subnets.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import { type IpPrefix, parsePrefix } from "../../protocol/inet-address.ts";
import type { V1Context } from "./context.ts";
import { ApiError, invalid } from "./errors.ts";
import { checkPrecondition, recordTag } from "./etag.ts";
import { existingNetwork, mustExist } from "./lookups.ts";
import { networkSummaryView, networkView, patchNetwork } from "./network-model.ts";
import { withRules } from "./network-rules.ts";
import {
  type NetworkCreate,
  network,
  networkCreate,
  networkPage,
  networkPatch,
  networkQuery,
} from "./network-schema.ts";
import type { OccupiedSubnets } from "./occupied-subnets.ts";
import { type Answer, created, DONE, type Operation, operation, shown } from "./operation.ts";
import { DEFAULT_PAGE } from "./value-schema.ts";

/** More host bits than members can be; fewer leave no room for two of them. */
const MAX_SUBNET_BITS = 30;
const MIN_SUBNET_BITS = 8;
const CONTROLLER_BITS = 24n;

async function shownNetwork({ controller }: V1Context, record: NetworkRecord): Promise<Answer> {
  return shown(networkView(record, await controller.reader.memberCounts(record.id)), recordTag(record));
}

async function newId({ controller }: V1Context, { id }: NetworkCreate): Promise<bigint> {
  if (id === undefined) return controller.freeNetworkId();
  const wanted = BigInt(`0x${id}`);
  const prefix = formatNetworkId(BigInt(controller.address) << CONTROLLER_BITS).slice(0, 10);
  if (wanted >> CONTROLLER_BITS !== BigInt(controller.address) || (wanted & 0xffffffn) === 0n) {
    const expected = `${prefix} and six more hex digits that are not all 0, or leave it out`;
    throw invalid([{ path: "id", message: `this controller serves networks that begin with ${prefix}`, expected }]);
  }
  return wanted;
}

function givenSubnet(text: string): IpPrefix {
  const prefix = parsePrefix(text)!;
  if (
    prefix.family === 4 &&
    prefix.bits >= MIN_SUBNET_BITS &&
    prefix.bits <= MAX_SUBNET_BITS &&
    isNetworkAddress(prefix)
  ) {
    return prefix;
  }
  const suggestion =
    prefix.family === 6
      ? "an IPv4 network (IPv6 goes into routes and ipv6)"
      : formatPrefix(networkOf({ ...prefix, bits: Math.min(MAX_SUBNET_BITS, Math.max(MIN_SUBNET_BITS, prefix.bits)) }));
  throw invalid([{ path: "subnet", message: `${text} does not fit: write ${suggestion}`, expected: suggestion }]);
}

/** The subnet of a new network. Null: the caller wants none, or says what addresses there are in another way. */
async function subnetOf(
  context: V1Context,
  occupied: OccupiedSubnets,
  { subnet, routes, ipv4 }: NetworkCreate,
): Promise<IpPrefix | null> {
  if (typeof subnet === "string" && subnet !== "auto") return givenSubnet(subnet);
  if (subnet === null || routes !== undefined || ipv4 !== undefined) {
    if (subnet !== "auto") return null;
    const expected = "either subnet, or routes and ipv4";
    throw invalid([{ path: "subnet", message: "goes without routes and ipv4", expected }]);
  }
  const chosen = chooseSubnet([...(await occupied.all()), ...context.hostPrefixes()], context.random);
  if (chosen !== null) return chosen;
  const expected = 'a network ip/bits such as "10.1.0.0/16", or null';
  const message = "no free subnet is left to choose: write which one to use";
  throw new ApiError("conflict", message, [{ path: "subnet", message, expected }]);
}

export function networkOperations(context: V1Context, occupied: OccupiedSubnets): Operation[] {
  const { controller } = context;
  const { reader } = controller;
  return [
    operation({
      method: "GET",
      path: "/networks",
      id: "listNetworks",
      routeClass: "networks",
      summary: "Networks, page by page",
      scope: "read",
      query: networkQuery,
      responses: { 200: { description: "a page of networks", schema: networkPage } },
      async handle({ query }) {
        const { limit = DEFAULT_PAGE, cursor = null, search = "", order = "id", direction } = query;
        const descending = direction === "descending";
        const page = await reader.networks({ limit, cursor, search, order, descending });
        const items = page.items.map(({ record, counts }) => networkSummaryView(record, counts));
        return shown({ items, next: page.next, total: page.total });
      },
    }),
    operation({
      method: "POST",
      path: "/networks",
      id: "createNetwork",
      routeClass: "networks",
      summary: "Make a network",
      description:
        "With {} it is private, has the default rules, and gives its members IPv4 addresses of a free subnet.",
      scope: "write",
      body: networkCreate,
      responses: { 201: { description: "the new network", schema: network } },
      errors: ["conflict"],
      async handle({ body, caller, now }) {
        const { id: _, subnet: __, rules, ...patch } = body;
        const id = await newId(context, body);
        const subnet = await subnetOf(context, occupied, body);
        if (subnet !== null) occupied.reserve(id, subnet);
        try {
          const record = await controller.changeNetwork(id, caller.actor, now, (current) => {
            if (current !== null) throw new ApiError("conflict", `network ${formatNetworkId(id)} exists already`);
            const draft = patchNetwork(newNetwork(id, now, subnet), patch);
            return rules === undefined ? draft : withRules(draft, rules.source, context.rules, "rules.source");
          });
          const value = networkView(record, await reader.memberCounts(id));
          return created(value, recordTag(record), `/networks/${value.id}`);
        } catch (error) {
          if (subnet !== null && (await reader.network(id)) === null) occupied.release(id);
          throw error;
        }
      },
    }),
    operation({
      method: "GET",
      path: "/networks/{networkId}",
      id: "getNetwork",
      routeClass: "networks",
      summary: "One network",
      scope: "read",
      responses: { 200: { description: "the network", schema: network } },
      errors: ["notFound"],
      handle: async ({ networkId }) => shownNetwork(context, await existingNetwork(reader, networkId)),
    }),
    operation({
      method: "PATCH",
      path: "/networks/{networkId}",
      id: "changeNetwork",
      routeClass: "networks",
      summary: "Change settings of a network",
      description: "What the body leaves out stays as it is. Online members get the change at once.",
      scope: "write",
      body: networkPatch,
      responses: { 200: { description: "the network as it is now", schema: network } },
      errors: ["notFound", "preconditionFailed"],
      async handle({ networkId, body, caller, precondition, now }) {
        const { rules, ...patch } = body;
        const record = await controller.changeNetwork(networkId, caller.actor, now, (current) => {
          const held = mustExist(networkId, current);
          checkPrecondition(precondition, recordTag(held));
          const draft = patchNetwork(held, patch);
          return rules === undefined ? draft : withRules(draft, rules.source, context.rules, "rules.source");
        });
        return shownNetwork(context, record);
      },
    }),
    operation({
      method: "DELETE",
      path: "/networks/{networkId}",
      id: "deleteNetwork",
      routeClass: "networks",
      summary: "Delete a network with its members",
      description: "Members lose their certificates at once. There is no way back but a backup.",
      scope: "write",
      responses: { 204: { description: "deleted", schema: null } },
      errors: ["notFound", "preconditionFailed"],
      async handle({ networkId, caller, precondition, now }) {
        checkPrecondition(precondition, recordTag(await existingNetwork(reader, networkId)));
        const gone = await controller.deleteNetwork(networkId, caller.actor, now);
        mustExist(networkId, gone);
        return DONE;
      },
    }),
  ];
}
