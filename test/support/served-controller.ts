/** A controller over a database in memory behind a real service API, as programs on this machine reach it. */

import type { OccupiedPrefix } from "../../src/controller/subnets.ts";
import { ApiTokens } from "../../src/http/api-tokens.ts";
import { EventLog } from "../../src/http/event-log.ts";
import { type ServiceApi, startServiceApi } from "../../src/http/service.ts";
import { ControllerV1 } from "../../src/http/v1/api.ts";
import { RULE_LANGUAGE } from "../../src/http/v1/rule-language.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { SqlApiTokens } from "../../src/store/api-tokens.ts";
import { RecordedNode } from "../http/recorded-node.ts";
import { recordedStatus } from "../http/recorded-status.ts";
import { IDENTITIES, testPlanet } from "./constellation.ts";
import { ControlledNode } from "./controlled-node.ts";

const [SELF] = IDENTITIES as [Identity];
export const SERVICE_TOKEN = "abcdefghijklmnopqrstuvwx";

export class ServedController {
  readonly it: ControlledNode;
  readonly v1: ControllerV1;
  readonly tokens: ApiTokens;
  readonly events: EventLog;
  readonly service: ServiceApi;

  private constructor(parts: Pick<ServedController, "it" | "v1" | "tokens" | "events" | "service">) {
    this.it = parts.it;
    this.v1 = parts.v1;
    this.tokens = parts.tokens;
    this.events = parts.events;
    this.service = parts.service;
  }

  static async open(hostPrefixes: readonly OccupiedPrefix[] = []): Promise<ServedController> {
    const it = await ControlledNode.open(SELF, testPlanet([{ identity: SELF, endpoints: ["64.0.0.1/9993"] }]));
    const tokens = await ApiTokens.open(new SqlApiTokens(it.database, 1000), it.node.ports.random);
    const events = new EventLog(() => it.now);
    it.controller.subscribe((event) => events.publish(event));
    const v1 = new ControllerV1({
      controller: it.controller,
      rules: RULE_LANGUAGE,
      tokens,
      events,
      validateIdentity: async () => true,
      hostPrefixes: () => hostPrefixes,
      random: it.node.ports.random,
      now: () => it.now,
      version: "0.0.0-test",
    });
    const backend = Object.assign(new RecordedNode(recordedStatus()), { controller: it.controller, v1 });
    const secrets = { auth: SERVICE_TOKEN, metrics: "zyxwvutsrqponmlkjihgfedc" };
    const service = await startServiceApi({ port: 0, backend, tokens: secrets, allowManagementFrom: [] });
    return new ServedController({ it, v1, tokens, events, service });
  }

  async close(): Promise<void> {
    await this.service.close();
    this.v1.close();
    await this.it.close();
  }
}
