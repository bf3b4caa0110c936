/** `/tokens`: API tokens, for those who may do everything. */
import { z } from "zod";
import { type ApiToken, type ApiTokens, MAX_API_TOKENS, TOKEN_SCOPES } from "../api-tokens.ts";
import { ApiError, notFound } from "./errors.ts";
import { created, DONE, type Operation, operation, shown } from "./operation.ts";

const MAX_NAME = 100;
/** Ten years. */
const MAX_SECONDS = 315_360_000;

const scope = z.enum(TOKEN_SCOPES).meta({ description: "read, write (includes read) or admin (everything)" });
const token = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    scope,
    createdAt: z.number().int(),
    expiresAt: z.number().int().nullable().meta({ description: "ms since the epoch; null = never" }),
    lastUsedAt: z.number().int().nullable().meta({ description: "at most a minute behind; null = never" }),
  })
  .meta({ id: "ApiToken" });
const newToken = z
  .strictObject({ ...token.shape, token: z.string().meta({ description: "shown this one time" }) })
  .meta({ id: "NewApiToken" });
const tokenCreate = z
  .strictObject({
    name: z.string().min(1).max(MAX_NAME).meta({ description: "a name for people", example: "terraform" }),
    scope,
    expiresInSeconds: z.number().int().min(1).max(MAX_SECONDS).optional(),
  })
  .meta({ id: "ApiTokenCreate" });
const tokenList = z.strictObject({ items: z.array(token) }).meta({ id: "ApiTokens" });

function viewOf({ id, name, scope: allowed, createdAt, expiresAt, lastUsedAt }: ApiToken) {
  const orNull = (time: number) => (time === 0 ? null : time);
  return { id, name, scope: allowed, createdAt, expiresAt: orNull(expiresAt), lastUsedAt: orNull(lastUsedAt) };
}

export function tokenOperations(tokens: ApiTokens): Operation[] {
  return [
    operation({
      method: "GET",
      path: "/tokens",
      id: "listTokens",
      routeClass: "tokens",
      summary: "API tokens, without their secrets",
      scope: "admin",
      responses: { 200: { description: "all of them", schema: tokenList } },
      async handle() {
        return shown({ items: tokens.list().map(viewOf) });
      },
    }),
    operation({
      method: "POST",
      path: "/tokens",
      id: "createToken",
      routeClass: "tokens",
      summary: "Make an API token",
      scope: "admin",
      body: tokenCreate,
      responses: { 201: { description: "the token with its text", schema: newToken } },
      errors: ["conflict"],
      async handle({ body, caller, now }) {
        const expiresAt = body.expiresInSeconds === undefined ? 0 : now + body.expiresInSeconds * 1000;
        const made = await tokens.create({ name: body.name, scope: body.scope, expiresAt }, caller.actor, now);
        if (made === null) throw new ApiError("conflict", `there are ${MAX_API_TOKENS} tokens: revoke some first`);
        return created({ ...viewOf(made.token), token: made.text }, null, `/tokens/${made.token.id}`);
      },
    }),
    operation({
      method: "DELETE",
      path: "/tokens/{id}",
      id: "revokeToken",
      routeClass: "tokens",
      summary: "Revoke an API token; it stops working at once",
      scope: "admin",
      responses: { 204: { description: "revoked", schema: null } },
      errors: ["notFound"],
      async handle({ id, caller, now }) {
        if (!(await tokens.revoke(id, caller.actor, now))) throw notFound(`token ${id}`);
        return DONE;
      },
    }),
  ];
}
