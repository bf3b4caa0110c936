/** What of a node's events goes into the log, and how loudly. Never one line per packet, never a secret. */
import type { Logger } from "pino";
import type { ControllerEvent } from "../controller/ports.ts";
import { formatNetworkId } from "../network/network-id.ts";
import type { NodeEvent } from "../node/ports.ts";
import { formatAddress } from "../protocol/address.ts";
import { formatEndpoint } from "../protocol/inet-address.ts";
import { formatWorldId } from "../world/world.ts";

/** Writes one event. */
export function logEvent(log: Logger, event: NodeEvent): void {
  switch (event.type) {
    case "online":
    case "offline":
      return log.info(event.type);
    case "world-updated":
      return log.info({ world: formatWorldId(event.id), timestamp: String(event.timestamp) }, "world updated");
    case "own-identity-collision":
      return log.error(
        "a root says that our address belongs to another identity: is a copy of this home running elsewhere?",
      );
    case "identity-collision":
      return log.warn(
        { peer: formatAddress(event.address), path: formatEndpoint(event.from) },
        "refused an identity whose address is taken",
      );
    case "peer-added":
      return log.debug(
        { peer: formatAddress(event.address), path: event.from === null ? null : formatEndpoint(event.from) },
        "peer added",
      );
    case "peer-evicted":
      return log.debug({ peer: formatAddress(event.address), reason: event.reason }, "peer forgotten");
    case "pair-introduced":
      return log.debug({ ...pair(event), family: event.family }, "pair introduced");
    case "pair-direct":
      return log.debug({ ...pair(event), ms: event.afterMs }, "pair went direct");
    case "pair-relayed":
      return log.debug(pair(event), "pair stays relayed");
    case "user-message":
      return log.trace({ peer: formatAddress(event.from), bytes: event.data.length }, "user message");
  }
}

function pair({ a, b }: { readonly a: number; readonly b: number }) {
  return { peer: formatAddress(a), other: formatAddress(b) };
}

/** Writes one event of the controller. Members' own requests are below what a log shows by default. */
export function logControllerEvent(log: Logger, event: ControllerEvent): void {
  const network = formatNetworkId(event.networkId);
  const member = "address" in event ? { member: formatAddress(event.address) } : {};
  switch (event.type) {
    case "network-changed":
    case "network-deleted":
    case "member-deleted":
    case "member-authorized":
    case "member-deauthorized":
      return log.info({ network, ...member, actor: event.actor }, event.type);
    case "member-changed":
      return log.debug({ network, ...member, actor: event.actor }, event.type);
    case "address-assigned":
      return log.info({ network, ...member, ip: event.ip }, event.type);
    case "member-seen":
      return event.isNew
        ? log.info({ network, ...member }, "a node asks to be let in")
        : log.trace({ network, ...member }, event.type);
    case "member-trace":
      return log.info({ network, ...member, event: event.event, ...event.fields }, event.type);
    case "config-pushed":
      return log.debug({ network, ...member, ms: event.afterMs }, event.type);
  }
}
