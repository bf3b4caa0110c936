/**
 * A network as the reference's controller stores it after a POST. Facts: controller.md §3 (fields, defaults, what is
 * removed) and §5 (revision); `vectors/api/controller-network.json`, `controller-import.json`.
 */
import { type JsonObject, type JsonValue, newJsonObject } from "../json/json.ts";
import { DEFAULT_MTU } from "../network/limits.ts";
import { formatNetworkId } from "../network/network-id.ts";
import { applyFields } from "./fields.ts";
import type { NetworkDraft } from "./management.ts";
import { ACCEPT_ALL, NETWORK_FIELDS, NO_AUTH_TOKENS, NO_V4_ASSIGNMENT, NO_V6_ASSIGNMENT } from "./network-fields.ts";
import { type NetworkRecord, NO_NETWORK_OWN } from "./records.ts";

/** Keys that older versions of the reference wrote; they do not survive a POST. */
const REMOVED = ["clock", "authorizedMemberCount", "activeMemberCount", "totalMemberCount", "lastModified"];

function defaults(now: number): JsonObject {
  return {
    authTokens: NO_AUTH_TOKENS,
    authorizationEndpoint: "",
    capabilities: [],
    clientId: "",
    creationTime: now,
    // An array, although it is an object once it is set.
    dns: [],
    enableBroadcast: true,
    ipAssignmentPools: [],
    mtu: DEFAULT_MTU,
    multicastLimit: 32,
    name: "",
    private: true,
    remoteTraceTarget: null,
    revision: 0,
    routes: [],
    rules: ACCEPT_ALL,
    rulesSource: "",
    ssoEnabled: false,
    tags: [],
    v4AssignMode: NO_V4_ASSIGNMENT,
    v6AssignMode: NO_V6_ASSIGNMENT,
  };
}

/**
 * The network `id` after a POST of `body` at `now` (ms since the epoch). `current` is null for a new network. A body that
 * is no object acts like `{}`: even that fills in what is missing and resets `remoteTraceLevel`, as any POST without it
 * does. Keys that are not ours stay if they were there and are ignored in the body; so are the ones nobody may set.
 * Throws `JsonTypeError`, with the text that the reference answers with status 500, for a rule that it fails at.
 */
export function applyNetworkBody(
  current: NetworkRecord | null,
  id: bigint,
  body: JsonValue,
  now: number,
): NetworkDraft {
  const json = Object.assign(newJsonObject(), defaults(now), current?.json);
  const idText = formatNetworkId(id);
  Object.assign(json, { id: idText, nwid: idText, objtype: "network", remoteTraceLevel: 0 });
  applyFields(json, NETWORK_FIELDS, body);
  for (const key of REMOVED) delete json[key];
  return { json, own: current?.own ?? NO_NETWORK_OWN };
}
