/**
 * The reference's controller API, /controller and /unstable/controller: local-api.md §3, controller.md §1, §3, §6. What a
 * body means is `controller/network-body.ts` and `member-body.ts`; this is who is asked and what is answered.
 */

import { NoFreeNetworkId } from "../../controller/controller.ts";
import type { ControllerManagement } from "../../controller/management.ts";
import { applyMemberBody } from "../../controller/member-body.ts";
import { applyNetworkBody } from "../../controller/network-body.ts";
import type { JsonObject, JsonValue } from "../../json/json.ts";
import { parseJson } from "../../json/json-parse.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { formatWorldId } from "../../world/world.ts";
import type { HttpRequest } from "../engine.ts";
import { json, type Reply } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";

/** Who changes something through this API, for the audit log. */
const ACTOR = "api";
const API_VERSION = 4;
const PAGE = 500;
/** Members whose record has an id of another length are not listed. */
const ADDRESS_DIGITS = 10;
const DECODER = new TextDecoder();

const NOT_FOUND: Reply = { kind: "empty", status: 404 };
const WRONG_CONTROLLER: Reply = { kind: "empty", status: 400 };
const NO_NETWORK_ID: Reply = { kind: "empty", status: 503 };

/** None if this node controls no networks: then the paths do not exist. */
export function controllerRoutes(backend: ServiceBackend): Route[] {
  const { controller } = backend;
  if (controller === null) return [];
  const api = new ControllerApi(controller, () => backend.now());
  return [
    route("GET", "/controller", () => api.root()),
    route("GET", "/controller/network", () => api.networkIds()),
    route("POST", "/controller/network", (request) => api.create(request)),
    route("POST", "/controller/network/{10}______", (request, [address]) => api.createAt(request, address!)),
    route("GET", "/controller/network/{16}", (_request, [id]) => api.network(idOf(id!))),
    route("POST", "/controller/network/{16}", (request, [id]) => api.changeNetwork(request, idOf(id!))),
    route("DELETE", "/controller/network/{16}", (_request, [id]) => api.deleteNetwork(idOf(id!))),
    route("GET", "/controller/network/{16}/member", (_request, [id]) => api.memberRevisions(idOf(id!))),
    route("GET", "/controller/network/{16}/member/{10}", (_request, [id, address]) =>
      api.member(idOf(id!), addressOf(address!)),
    ),
    route("POST", "/controller/network/{16}/member/{10}", (request, [id, address]) =>
      api.changeMember(request, id!, address!),
    ),
    route("DELETE", "/controller/network/{16}/member/{10}", (_request, [id, address]) =>
      api.deleteMember(idOf(id!), addressOf(address!)),
    ),
    route("GET", "/unstable/controller/network", () => api.networksWithData()),
    route("GET", "/unstable/controller/network/{16}/member", (_request, [id]) => api.membersWithData(idOf(id!))),
  ];
}

class ControllerApi {
  readonly #controller: ControllerManagement;
  readonly #now: () => number;

  constructor(controller: ControllerManagement, now: () => number) {
    this.#controller = controller;
    this.#now = now;
  }

  /** Laid out by hand in the reference: tabs, and a newline at the end. */
  root(): Reply {
    const lines = [
      `\t"controller": true`,
      `\t"apiVersion": ${API_VERSION}`,
      `\t"clock": ${this.#now()}`,
      `\t"databaseReady": true`,
    ];
    return { kind: "raw-json", status: 200, text: `{\n${lines.join(",\n")}\n}\n` };
  }

  async networkIds(): Promise<Reply> {
    const ids: JsonValue[] = [];
    for await (const id of this.#ids()) ids.push(formatWorldId(id));
    return json(ids);
  }

  async network(id: bigint): Promise<Reply> {
    return found(await this.#controller.reader.network(id));
  }

  async create(request: HttpRequest): Promise<Reply> {
    try {
      return await this.changeNetwork(request, await this.#controller.freeNetworkId());
    } catch (error) {
      if (error instanceof NoFreeNetworkId) return NO_NETWORK_ID;
      throw error;
    }
  }

  /** The digits are compared as text: in upper case they are another controller's (controller.md §1). */
  async createAt(request: HttpRequest, address: string): Promise<Reply> {
    return address === formatAddress(this.#controller.address) ? this.create(request) : WRONG_CONTROLLER;
  }

  async changeNetwork(request: HttpRequest, id: bigint): Promise<Reply> {
    const body = bodyOf(request);
    const now = this.#now();
    const change = (current: Parameters<typeof applyNetworkBody>[0]) => applyNetworkBody(current, id, body, now);
    return json((await this.#controller.changeNetwork(id, ACTOR, now, change)).json);
  }

  async deleteNetwork(id: bigint): Promise<Reply> {
    return found(await this.#controller.deleteNetwork(id, ACTOR, this.#now()));
  }

  async memberRevisions(id: bigint): Promise<Reply> {
    if ((await this.#controller.reader.network(id)) === null) return NOT_FOUND;
    const revisions: Record<string, JsonValue> = {};
    for (const member of await this.#controller.reader.memberRevisions(id)) {
      if (member.id.length === ADDRESS_DIGITS) revisions[member.id] = member.revision;
    }
    return json(revisions);
  }

  async member(id: bigint, address: Address): Promise<Reply> {
    return found(await this.#controller.reader.member(id, address));
  }

  /** The record keeps the ids as the caller spelled them, until the member asks by itself. */
  async changeMember(request: HttpRequest, idText: string, addressText: string): Promise<Reply> {
    // An unknown network is 404 whatever the body.
    const id = idOf(idText);
    if ((await this.#controller.reader.network(id)) === null) return NOT_FOUND;
    const body = bodyOf(request);
    const now = this.#now();
    const change = (current: Parameters<typeof applyMemberBody>[0]) =>
      applyMemberBody(current, idText, addressText, body, now);
    return found(await this.#controller.changeMember(id, addressOf(addressText), ACTOR, now, change));
  }

  async deleteMember(id: bigint, address: Address): Promise<Reply> {
    return found(await this.#controller.deleteMember(id, address, ACTOR, this.#now()));
  }

  async networksWithData(): Promise<Reply> {
    const data: JsonValue[] = [];
    for await (const id of this.#ids()) {
      const record = await this.#controller.reader.network(id);
      if (record === null) continue;
      const { authorized, total } = await this.#controller.reader.memberCounts(id);
      data.push({ ...record.json, meta: { authorizedMemberCount: authorized, totalMemberCount: total } });
    }
    return json({ data, meta: { networkCount: data.length } });
  }

  async membersWithData(id: bigint): Promise<Reply> {
    const { reader } = this.#controller;
    if ((await reader.network(id)) === null) return NOT_FOUND;
    const data: JsonValue[] = [];
    let after: Address | null = null;
    for (;;) {
      const page = await reader.memberRecords(id, after, PAGE);
      for (const record of page) data.push(record.json);
      if (page.length < PAGE) break;
      after = page.at(-1)!.address;
    }
    const { authorized, total } = await reader.memberCounts(id);
    return json({ data, meta: { authorizedCount: authorized, totalCount: total } });
  }

  async *#ids(): AsyncGenerator<bigint> {
    let after: bigint | null = null;
    for (;;) {
      const page: readonly bigint[] = await this.#controller.reader.networkIds(after, PAGE);
      yield* page;
      if (page.length < PAGE) return;
      after = page.at(-1)!;
    }
  }
}

function found(record: { readonly json: JsonObject } | null): Reply {
  return record === null ? NOT_FOUND : json(record.json);
}

/** Numbers are kept as they were written. Throws JsonSyntaxError, which is answered 500. */
function bodyOf(request: HttpRequest): JsonValue {
  return parseJson(DECODER.decode(request.body), true);
}

function idOf(digits: string): bigint {
  return BigInt(`0x${digits}`);
}

function addressOf(digits: string): Address {
  return Number.parseInt(digits, 16);
}
