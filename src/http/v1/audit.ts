/** `/audit`: who changed what; and `/subnets`: what a new network could use. */
import { z } from "zod";
import { collisionsOf, formatPrefix, PROPOSED_SUBNETS } from "../../controller/subnets.ts";
import type { V1Context } from "./context.ts";
import type { OccupiedSubnets } from "./occupied-subnets.ts";
import { type Operation, operation, shown } from "./operation.ts";
import { DEFAULT_PAGE, networkId, paging } from "./value-schema.ts";

const entry = z
  .strictObject({
    id: z.number().int(),
    at: z.number().int(),
    actor: z.string(),
    action: z.string(),
    networkId: z.string(),
    object: z.string(),
    changes: z.record(z.string(), z.unknown()),
  })
  .meta({ id: "AuditEntry" });
const page = z
  .strictObject({ items: z.array(entry), next: z.string().nullable(), total: z.number().int() })
  .meta({ id: "AuditPage" });
const query = z.strictObject({
  ...paging,
  networkId: networkId.optional(),
  actor: z.string().max(200).optional(),
  action: z.string().max(100).optional(),
});
const proposals = z
  .strictObject({
    items: z.array(z.strictObject({ subnet: z.string(), usedBy: z.array(z.string()) })),
  })
  .meta({ id: "SubnetProposals" });

export function auditOperations({ controller, hostPrefixes }: V1Context, occupied: OccupiedSubnets): Operation[] {
  return [
    operation({
      method: "GET",
      path: "/audit",
      id: "listAudit",
      routeClass: "audit",
      summary: "Who changed what, the newest first",
      scope: "admin",
      query,
      responses: { 200: { description: "a page of entries", schema: page } },
      async handle({ query: asked }) {
        const found = await controller.reader.audit({
          limit: asked.limit ?? DEFAULT_PAGE,
          cursor: asked.cursor ?? null,
          networkId: asked.networkId === undefined ? null : BigInt(`0x${asked.networkId}`),
          actor: asked.actor ?? null,
          action: asked.action ?? "",
        });
        return shown({ items: found.items.map((one) => ({ ...one })), next: found.next, total: found.total });
      },
    }),
    operation({
      method: "GET",
      path: "/subnets",
      id: "proposeSubnets",
      routeClass: "subnets",
      summary: "Subnets for a new network, and what uses each already",
      scope: "read",
      responses: { 200: { description: "the proposed ranges", schema: proposals } },
      async handle() {
        const taken = [...(await occupied.all()), ...hostPrefixes()];
        const items = PROPOSED_SUBNETS.map((prefix) => ({
          subnet: formatPrefix(prefix),
          usedBy: collisionsOf(prefix, taken).map(({ by, prefix: other }) => `${by} (${formatPrefix(other)})`),
        }));
        return shown({ items });
      },
    }),
  ];
}
