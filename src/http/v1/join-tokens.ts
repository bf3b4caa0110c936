/** `/networks/{networkId}/join-tokens`: texts that let somebody in who is not there yet, and `/join`, which takes them. */
import { z } from "zod";
import { newJoinSecret } from "../../controller/join-token.ts";
import type { JoinToken } from "../../controller/ports.ts";
import { formatNetworkId } from "../../network/network-id.ts";
import type { V1Context } from "./context.ts";
import { ApiError, notFound } from "./errors.ts";
import { existingNetwork } from "./lookups.ts";
import { created, DONE, type Operation, operation, shown } from "./operation.ts";
import { nodeAddress } from "./value-schema.ts";

const MAX_NAME = 100;
const MAX_USES = 1_000_000;
/** Ten years: longer is "for good". */
const MAX_SECONDS = 315_360_000;

const seconds = z.number().int().min(1).max(MAX_SECONDS);
const joinToken = z
  .strictObject({
    id: z.string(),
    networkId: z.string(),
    name: z.string(),
    createdAt: z.number().int(),
    expiresAt: z.number().int().nullable().meta({ description: "ms since the epoch; null = never" }),
    usesLeft: z.number().int().nullable().meta({ description: "null = any number" }),
    authorizationSeconds: z
      .number()
      .int()
      .nullable()
      .meta({ description: "how long members stay in; null = for good" }),
  })
  .meta({ id: "JoinToken" });
const newToken = z
  .strictObject({ ...joinToken.shape, secret: z.string().meta({ description: "shown this one time" }) })
  .meta({ id: "NewJoinToken" });
const tokenCreate = z
  .strictObject({
    name: z.string().min(1).max(MAX_NAME).meta({ description: "a name for people", example: "guests" }),
    expiresInSeconds: seconds.optional(),
    uses: z.number().int().min(1).max(MAX_USES).optional(),
    authorizationSeconds: seconds.optional(),
  })
  .meta({ id: "JoinTokenCreate" });
const tokenList = z.strictObject({ items: z.array(joinToken) }).meta({ id: "JoinTokens" });
const joinBody = z.strictObject({ token: z.string().max(MAX_NAME), address: nodeAddress }).meta({ id: "Join" });
const joined = z.strictObject({ networkId: z.string(), address: z.string() }).meta({ id: "Joined" });

function viewOf({ id, networkId, name, createdAt, expiresAt, usesLeft, authorizationMs }: JoinToken) {
  return {
    id,
    networkId: formatNetworkId(networkId),
    name,
    createdAt,
    expiresAt: expiresAt === 0 ? null : expiresAt,
    usesLeft,
    authorizationSeconds: authorizationMs === 0 ? null : authorizationMs / 1000,
  };
}

export function joinTokenOperations({ controller, random }: V1Context): Operation[] {
  return [
    operation({
      method: "GET",
      path: "/networks/{networkId}/join-tokens",
      id: "listJoinTokens",
      routeClass: "join-tokens",
      summary: "Join tokens of a network",
      scope: "read",
      responses: { 200: { description: "all of them, without their secrets", schema: tokenList } },
      errors: ["notFound"],
      async handle({ networkId }) {
        await existingNetwork(controller.reader, networkId);
        return shown({ items: (await controller.reader.joinTokens(networkId)).map(viewOf) });
      },
    }),
    operation({
      method: "POST",
      path: "/networks/{networkId}/join-tokens",
      id: "createJoinToken",
      routeClass: "join-tokens",
      summary: "Make a join token",
      scope: "write",
      body: tokenCreate,
      responses: { 201: { description: "the token with its secret", schema: newToken } },
      errors: ["notFound"],
      async handle({ networkId, body, caller, now }) {
        await existingNetwork(controller.reader, networkId);
        const { secret, id, hash } = newJoinSecret(random);
        const token: JoinToken = {
          id,
          networkId,
          hash,
          name: body.name,
          createdAt: now,
          expiresAt: body.expiresInSeconds === undefined ? 0 : now + body.expiresInSeconds * 1000,
          usesLeft: body.uses ?? null,
          authorizationMs: (body.authorizationSeconds ?? 0) * 1000,
        };
        await controller.putJoinToken(token, caller.actor, now);
        const value = { ...viewOf(token), secret };
        return created(value, null, `/networks/${value.networkId}/join-tokens/${id}`);
      },
    }),
    operation({
      method: "DELETE",
      path: "/networks/{networkId}/join-tokens/{id}",
      id: "deleteJoinToken",
      routeClass: "join-tokens",
      summary: "Withdraw a join token",
      description: "Who came in by it stays.",
      scope: "write",
      responses: { 204: { description: "withdrawn", schema: null } },
      errors: ["notFound"],
      async handle({ networkId, id, caller, now }) {
        const token = await controller.reader.joinToken(id);
        if (token?.networkId !== networkId || !(await controller.deleteJoinToken(id, caller.actor, now))) {
          throw notFound(`join token ${id}`);
        }
        return DONE;
      },
    }),
    operation({
      method: "POST",
      path: "/join",
      id: "join",
      routeClass: "join",
      summary: "Let a node in by a join token",
      scope: "write",
      body: joinBody,
      responses: { 200: { description: "the node is a member now", schema: joined } },
      errors: ["forbidden"],
      async handle({ body, now }) {
        const member = await controller.redeemJoinToken(body.token, Number.parseInt(body.address, 16), now);
        if (member === null) throw new ApiError("forbidden", "this token lets nobody in");
        return shown({ networkId: formatNetworkId(member.networkId), address: body.address.toLowerCase() });
      },
    }),
  ];
}
