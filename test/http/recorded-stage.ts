/**
 * Replays what the reference's controller answered: every exchange of the recordings, over the real engine and a
 * database in memory. Status, content type and body must be equal.
 *
 * | what cannot be equal | is replaced by |
 * |---|---|
 * | times (13 digits) in bodies | `<time>`, on both sides |
 * | ids of networks that were drawn at random | our own id of the same exchange |
 * | rule arrays that were shortened after the recording | left out of the comparison |
 *
 * Requests that members sent between two exchanges were not recorded by the API; `MEMBERS_ASK` names after which
 * exchange each of them asked.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ServiceApi, startServiceApi } from "../../src/http/service.ts";
import { Identity } from "../../src/identity/identity.ts";
import { formatJson, type JsonObject, type JsonValue } from "../../src/json/json.ts";
import { parseJson } from "../../src/json/json-parse.ts";
import { importControllerFiles } from "../../src/store/controller-d.ts";
import { SqlControllerStore } from "../../src/store/controller-store.ts";
import { testPlanet } from "../support/constellation.ts";
import { ControlledNode, identityOf } from "../support/controlled-node.ts";
import { ask } from "./api-client.ts";
import { RecordedNode } from "./recorded-node.ts";
import { recordedStatus } from "./recorded-status.ts";

export interface Exchange {
  readonly name: string;
  readonly note?: string;
  readonly files?: Readonly<Record<string, unknown>>;
  readonly request?: {
    readonly method: string;
    readonly path: string;
    readonly headers: string[];
    readonly body?: unknown;
  };
  readonly response?: { readonly status: number; readonly headers: Record<string, string>; readonly bodyText?: string };
}

/** The exchanges of one file of the recordings. */
export function recording(file: string): Exchange[] {
  const url = new URL(`../fixtures/vectors/api/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { exchanges: Exchange[] }).exchanges;
}

const TOKENS = { auth: "abcdefghijklmnopqrstuvwx", metrics: "zyxwvutsrqponmlkjihgfedc" };
const CONTROLLER = identityOf(memberIdentity("network-node-misc", "own member record"));
const B = identityOf(memberIdentity("controller-member", "authorised member after its config was issued"));
const C = identityOf(memberIdentity("controller-member", "pre-authorised member after config"));
const NETWORK = 0x9c650471be000002n;
const IMPORTED = 0x9c650471be000003n;
const IMPORTED_SSO = 0x9c650471be000004n;

function memberIdentity(file: string, name: string): string {
  const exchange = recording(file).find((one) => one.name === name);
  return (JSON.parse(exchange!.response!.bodyText ?? "") as { identity: string }).identity;
}

/** Who asked for its configuration right before an exchange, and of which network. */
const MEMBERS_ASK: Readonly<Record<string, readonly [Identity, bigint]>> = {
  "member list after first request": [B, NETWORK],
  "authorised member after its config was issued": [B, NETWORK],
  "pre-authorised member after config": [C, NETWORK],
  list: [B, NETWORK],
  "member after a request: defaults filled, unknown key kept": [B, IMPORTED],
  "member of SSO network": [B, IMPORTED_SSO],
  "SSO network object": [B, IMPORTED_SSO],
};

/**
 * Where we differ on purpose: the reference sets a member's trace level back to 0 with its next request, so that it
 * never takes effect, and counts that as a change. Here it stays; from then on this member's revision is one behind.
 */
const TRACE_KEPT = { since: "remote trace on member", until: "delete member (returns object)", member: "75bbd54543" };

/** A controller behind a real service API, to which recorded exchanges are put. */
export class Stage {
  controlled!: ControlledNode;
  service!: ServiceApi;
  /** Verbs of what the member got that asked last. */
  answered: readonly number[] = [];
  /** Recorded ids that were drawn at random, and ours. */
  readonly #ids = new Map<string, string>();
  #traceKept = false;

  async open(): Promise<void> {
    // The recording has no secret of the controller; nothing that is compared is signed.
    const secret = new Uint8Array(64).fill(7);
    const identity = new Identity(CONTROLLER.address, CONTROLLER.publicKey, secret);
    const planet = testPlanet([{ identity: CONTROLLER, endpoints: ["64.0.0.1/9993"] }]);
    this.controlled = await ControlledNode.open(identity, planet);
    const node = new RecordedNode(recordedStatus());
    node.clock = this.controlled.now;
    node.controller = this.controlled.controller;
    node.now = () => this.controlled.now;
    this.service = await startServiceApi({ port: 0, backend: node, tokens: TOKENS, allowManagementFrom: [] });
  }

  /** Takes `files` over, by their paths in controller.d, as a daemon does when it starts on a home of the reference. */
  async takeOver(files: Readonly<Record<string, unknown>>): Promise<void> {
    const home = mkdtempSync(join(tmpdir(), "orrery-recorded-"));
    try {
      for (const [path, content] of Object.entries(files)) {
        const file = join(home, "controller.d", path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      }
      await importControllerFiles(home, new SqlControllerStore(this.controlled.database), this.controlled.now);
    } finally {
      rmSync(home, { recursive: true });
    }
  }

  async close(): Promise<void> {
    await this.service.close();
    await this.controlled.close();
  }

  async replay(exchange: Exchange): Promise<void> {
    const asking = MEMBERS_ASK[exchange.name];
    if (asking !== undefined) {
      this.controlled.now += 5000;
      this.answered = (await this.controlled.ask(asking[1], asking[0])).map(({ verb }) => verb);
    }
    this.controlled.now += 10;
    const request = exchange.request!;
    const expected = exchange.response!;
    const shortened = (exchange.note ?? "").includes("shortened");
    const headers = request.headers.map(
      (line) => line.replace("<authtoken>", TOKENS.auth).split(": ") as [string, string],
    );
    const answer = await ask(this.service.port, this.#ours(request.path), {
      method: request.method,
      headers: Object.fromEntries(headers),
      ...(request.body === undefined || request.body === null ? {} : { body: bodyText(request.body) }),
    });
    await this.controlled.settle();
    this.#learnId(expected.bodyText ?? "", answer.body);
    assert.equal(answer.status, expected.status, `${exchange.name}: ${answer.body}`);
    if (expected.bodyText === undefined) {
      assert.equal((JSON.parse(answer.body) as { rules: unknown[] }).rules.length, 1200);
      return;
    }
    assert.equal(answer.headers["content-type"], expected.headers["Content-Type"], exchange.name);
    const theirs = this.#ours(this.#revised(request.path, expected.bodyText));
    assert.deepEqual(comparable(answer.body, shortened), comparable(theirs, shortened), exchange.name);
    if (exchange.name === TRACE_KEPT.since) this.#traceKept = true;
    if (exchange.name === TRACE_KEPT.until) this.#traceKept = false;
  }

  #revised(path: string, text: string): string {
    if (!this.#traceKept || !path.endsWith(TRACE_KEPT.member)) return text;
    return text.replace(/"revision":(\d+)/, (_whole, revision: string) => `"revision":${Number(revision) - 1}`);
  }

  #ours(text: string): string {
    let ours = text;
    for (const [recorded, id] of this.#ids) ours = ours.replaceAll(recorded, id);
    return ours;
  }

  #learnId(recorded: string, actual: string): void {
    const pattern = /^\{.*"id":"([0-9a-f]{16})"/;
    const [theirs, ours] = [pattern.exec(recorded)?.[1], pattern.exec(actual)?.[1]];
    if (theirs !== undefined && ours !== undefined && theirs !== ours) this.#ids.set(theirs, ours);
  }
}

/** The one body that was not kept: 1200 rules. */
function bodyText(body: unknown): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return text.includes("<") ? JSON.stringify({ rules: new Array(1200).fill({ type: "ACTION_ACCEPT" }) }) : text;
}

/** Lists of networks are compared in any order: it follows from ids that are drawn at random. */
function comparable(text: string, withoutRules: boolean): string {
  const timeless = text.replace(/\b1[0-9]{12}\b/g, '"<time>"').replace(/""<time>""/g, '"<time>"');
  if (timeless.startsWith("[")) return formatJson([...(parseJson(timeless) as string[])].sort());
  if (!timeless.startsWith('{"data":')) return timeless;
  const { data, meta } = parseJson(timeless) as { data: JsonValue[]; meta: JsonValue };
  const items = data.map((item) => formatJson(withoutRules ? strip(item) : item));
  return formatJson({ data: items.sort(), meta });
}

function strip(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(strip);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject)
      .filter(([key]) => key !== "rules")
      .map(([key, inner]) => [key, strip(inner as JsonValue)]),
  );
}
