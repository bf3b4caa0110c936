/** The OpenAPI 3.1 document, made from the very schemas that requests and answers are checked against. */
import { z } from "zod";
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { ERROR_CODES } from "./errors.ts";
import type { Operation } from "./operation.ts";
import { networkId, nodeAddress, tokenId } from "./value-schema.ts";

const PARAMETERS = { networkId, address: nodeAddress, id: tokenId } as const;
const ERROR_BODY = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "fields"],
      properties: {
        code: { enum: Object.keys(ERROR_CODES) },
        message: { type: "string" },
        fields: {
          type: "array",
          items: {
            type: "object",
            required: ["path", "message", "expected"],
            properties: { path: { type: "string" }, message: { type: "string" }, expected: { type: "string" } },
          },
        },
      },
    },
  },
};

export function openApiDocument(operations: readonly Operation[], version: string): JsonObject {
  const paths: Record<string, Record<string, JsonValue>> = {};
  for (const operation of operations) {
    const methods = { ...paths[operation.path], [operation.method.toLowerCase()]: described(operation) };
    paths[operation.path] = methods;
  }
  return {
    openapi: "3.1.0",
    info: { title: "Orrery controller", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
    components: {
      securitySchemes: {
        token: {
          type: "http",
          scheme: "bearer",
          description: "an API token (orr_…), or the token in authtoken.secret",
        },
      },
      schemas: { Error: ERROR_BODY },
    },
    paths,
  };
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" });
  return rest as JsonObject;
}

function described({ id, summary, description, scope, query, body, responses, errors, path }: Operation): JsonObject {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as keyof typeof PARAMETERS);
  const parameters = [
    ...inPath.map((name) => ({ name, in: "path", required: true, schema: schemaOf(PARAMETERS[name], "input") })),
    ...Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
      name,
      in: "query",
      required: !(schema as z.ZodType).isOptional(),
      schema: schemaOf(schema as z.ZodType, "input"),
    })),
  ];
  const answers = Object.entries(responses).map(([status, { description: what, schema }]): [string, JsonValue] => [
    status,
    schema === null
      ? { description: what }
      : { description: what, content: { "application/json": { schema: schemaOf(schema, "output") } } },
  ]);
  const refused = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
  const statuses = new Set([400, 401, ...errors.map((code) => ERROR_CODES[code])]);
  return {
    operationId: id,
    summary,
    description: `${description}${description === "" ? "" : " "}Scope: ${scope}.`,
    parameters,
    ...(body === null
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schemaOf(body, "input") } } } }),
    responses: Object.fromEntries([
      ...answers,
      ...[...statuses].map((status): [string, JsonValue] => [
        String(status),
        { description: "not done; the body says why", content: refused },
      ]),
    ]),
  };
}
