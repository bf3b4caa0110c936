/**
 * The connection of the reference CLI's verbs to a running service: where it is, what to present, and what to print
 * when it does not answer as wished. It speaks to our daemon and to the reference's alike. Facts: cli.md §2.
 */
import { request as httpRequest } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { formatJson, type JsonValue } from "../json/json.ts";
import { parseJson } from "../json/json-parse.ts";
import { type CliContext, CliExit, EXIT_FAILURE } from "./context.ts";
import { homeDirectory } from "./home-option.ts";
import { readTextOrNull } from "./identity-argument.ts";

/** No service can be named: port or token are missing, or words of the command are. */
export const EXIT_USAGE = 2;
const REQUEST_TIMEOUT_MS = 60_000;
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024;

/** The switches of a verb; all of them may be missing. */
export interface ServiceSwitches {
  readonly json?: boolean;
  readonly home?: string;
  readonly port?: string;
  readonly token?: string;
  readonly host?: string;
}

/** What a service answered. Status 0: there was no answer, and `body` says why. */
export interface ServiceReply {
  readonly status: number;
  readonly body: string;
}

/** One run of a verb. */
export interface ServiceSession {
  readonly context: CliContext;
  readonly json: boolean;
  readonly home: string;
  readonly now: () => number;
  send(method: "GET" | "POST" | "DELETE", path: string, body?: string): Promise<ServiceReply>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

function sendRequest(target: Target, method: string, path: string, body: string | undefined): Promise<ServiceReply> {
  const headers: Record<string, string | number> = { "X-ZT1-Auth": target.token };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = Buffer.byteLength(body);
  }
  const options = { host: target.host, port: target.port, method, path, headers, agent: false } as const;
  return new Promise((resolve) => {
    const failed = () => resolve({ status: 0, body: "connection failed" });
    const request = httpRequest({ ...options, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_RESPONSE_BYTES) request.destroy();
      });
      response.on("error", failed);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.on("timeout", () => request.destroy());
    request.on("error", failed);
    request.end(body);
  });
}

function usageError(context: CliContext, message: string): never {
  context.stderr(`orrery: ${message}\n`);
  throw new CliExit(EXIT_USAGE);
}

/** A port of 1…65535, or null for any other text. */
export function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

function locate(switches: ServiceSwitches, home: string, context: CliContext): Target {
  const portText = switches.port ?? readTextOrNull(join(home, "zerotier-one.port"))?.trim();
  const port = portText === undefined ? null : parsePort(portText);
  if (port === null) usageError(context, `missing port and zerotier-one.port not found in ${home}`);
  const userFile = join(context.env["HOME"] ?? homedir(), ".zeroTierOneAuthToken");
  const token = switches.token ?? readTextOrNull(join(home, "authtoken.secret")) ?? readTextOrNull(userFile);
  if (token === null) {
    usageError(context, `authtoken.secret not found or readable in ${home} (try again as root)`);
  }
  return { host: switches.host ?? "127.0.0.1", port, token: token.trim() };
}

/**
 * Finds the service that the switches, the environment and the home name. Ends the command with exit code 2 if there
 * is no port or no token.
 */
export function openSession(switches: ServiceSwitches, context: CliContext, now: () => number): ServiceSession {
  const home = homeDirectory(switches.home, { ORRERY_HOME: context.env["ZEROTIER_HOME"], ...context.env });
  const target = locate(switches, home, context);
  return {
    context,
    json: switches.json === true,
    home,
    now,
    send: (method, path, body) => sendRequest(target, method, path, body),
  };
}

/** Prints `<status> <verb> <body>` and ends the command with exit code 1. */
export function failWithReply(session: ServiceSession, verb: string, reply: ServiceReply): never {
  session.context.stdout(`${reply.status} ${verb} ${reply.body}\n`);
  throw new CliExit(EXIT_FAILURE);
}

/** The body of a GET, or the end of the command in the reference's words. */
export async function fetchBody(session: ServiceSession, verb: string, path: string): Promise<string> {
  const reply = await session.send("GET", path);
  if (reply.status === 0) {
    // The reference names its default port and address whatever was asked for; scripts look for this text.
    session.context.stdout(
      `Error connecting to the ZeroTier service: ${reply.body}\n\n` +
        "Please check that the service is running and that TCP port 9993 can be contacted via 127.0.0.1.\n",
    );
    throw new CliExit(EXIT_FAILURE);
  }
  if (reply.status !== 200) failWithReply(session, verb, reply);
  return reply.body;
}

/** The JSON of a GET, numbers as they were written. Ends the command if there is none. */
export async function fetchJson(session: ServiceSession, verb: string, path: string): Promise<JsonValue> {
  const body = await fetchBody(session, verb, path);
  try {
    return parseJson(body, true);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    session.context.stdout(`200 ${verb} invalid JSON response (${reason})\n`);
    throw new CliExit(EXIT_FAILURE);
  }
}

/** Prints JSON as `-j` does: 1-space indentation, sorted keys, a final newline. */
export function printReadJson(session: ServiceSession, value: JsonValue): void {
  session.context.stdout(`${formatJson(value, 1)}\n`);
}

/**
 * Sends a change and prints `200 <verb> OK`, or with -j the raw answer without a newline. Anything but 200 ends the
 * command with exit code 1.
 */
export async function change(
  session: ServiceSession,
  verb: string,
  method: "POST" | "DELETE",
  path: string,
  body?: string,
): Promise<void> {
  const reply = await session.send(method, path, body);
  if (reply.status !== 200) failWithReply(session, verb, reply);
  session.context.stdout(session.json ? reply.body : `200 ${verb} OK\n`);
}
