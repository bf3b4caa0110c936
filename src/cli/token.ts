/** `orrery token …`: who may use `/api/v1` from elsewhere; and `orrery events`, which shows what happens. */
import type { Command } from "commander";
import WebSocket from "ws";
import type { CliContext } from "./context.ts";
import { fail } from "./context.ts";
import { askController, type ControllerOptions, print, table, withControllerOptions } from "./controller-client.ts";
import { homeDirectory } from "./home-option.ts";
import { serviceAddress } from "./service-client.ts";

interface CreateOptions extends ControllerOptions {
  readonly scope: string;
  readonly expires?: string;
}

interface EventsOptions extends ControllerOptions {
  readonly network?: string;
  readonly types?: string;
  readonly since?: string;
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, d: 86_400, w: 604_800 };

/** Adds `orrery token create | list | revoke` and `orrery events`. */
export function registerToken(program: Command, context: CliContext): void {
  const group = program.command("token").description("API tokens: who may use /api/v1 from elsewhere");
  withControllerOptions(
    group
      .command("create")
      .description("make a token and print it, this one time")
      .argument("<name>", "a name for people, such as terraform")
      .option("--scope <scope>", "read, write (includes read) or admin (everything)", "read")
      .option("--expires <time>", "such as 12h, 30d or 8w; else it never does"),
  ).action((name: string, options: CreateOptions) => create(context, name, options));
  withControllerOptions(group.command("list").description("every token, without its secret")).action(
    async (options: ControllerOptions) => {
      const { items } = await askController(context, options, "GET", "/tokens");
      const tokens = items as readonly Readonly<Record<string, unknown>>[];
      const time = (value: unknown) => (value === null ? "never" : new Date(Number(value)).toISOString().slice(0, 16));
      print(context, options, tokens, () =>
        table([
          ["TOKEN", "SCOPE", "EXPIRES", "LAST USED", "NAME"],
          ...tokens.map(({ id, scope, expiresAt, lastUsedAt, name }) => [
            String(id),
            String(scope),
            time(expiresAt),
            time(lastUsedAt),
            String(name),
          ]),
        ]),
      );
    },
  );
  withControllerOptions(
    group.command("revoke").description("end a token at once").argument("<token>", "its first ten characters"),
  ).action(async (id: string, options: ControllerOptions) => {
    await askController(context, options, "DELETE", `/tokens/${encodeURIComponent(id)}`);
    print(context, options, { revoked: id }, () => `token ${id} is revoked\n`);
  });
  withControllerOptions(
    program
      .command("events")
      .description("show what happens on this controller, until interrupted; one line each")
      .option("--network <id>", "only of one network")
      .option("--types <types>", "only these, separated by commas, such as member-seen,member-authorized")
      .option("--since <number>", "from this event on, as far as they are still kept"),
  ).action((options: EventsOptions) => watch(context, options));
}

async function create(context: CliContext, name: string, options: CreateOptions): Promise<void> {
  const match = /^(\d{1,5})([hdw])$/.exec(options.expires ?? "");
  if (options.expires !== undefined && match === null) return fail(context, "orrery: --expires wants 12h, 30d or 8w");
  const made = await askController(context, options, "POST", "/tokens", {
    name,
    scope: options.scope,
    ...(match === null ? {} : { expiresInSeconds: Number(match[1]) * SECONDS[match[2]!]! }),
  });
  print(context, options, made, () => `${String(made["token"])}\n`);
}

function watch(context: CliContext, options: EventsOptions): Promise<void> {
  const service = serviceAddress(homeDirectory(options.home, context.env));
  if ("reason" in service) return fail(context, `orrery: no daemon answers (${service.reason})`);
  const query = new URLSearchParams();
  for (const key of ["network", "types", "since"] as const) {
    const value = options[key];
    if (value !== undefined) query.set(key, value);
  }
  const socket = new WebSocket(`ws://127.0.0.1:${service.port}/api/v1/events?${query}`, {
    headers: { "X-ZT1-Auth": service.token },
  });
  socket.on("message", (data) => {
    const text = String(data);
    context.stdout(
      options.json ? `${text}\n` : `${eventLine(JSON.parse(text) as Readonly<Record<string, unknown>>)}\n`,
    );
  });
  return new Promise<void>((resolve, reject) => {
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("end", () => {
        socket.terminate();
        reject(new Error(`the daemon answered ${response.statusCode}: ${body}`));
      });
    });
    socket.on("error", reject);
    socket.on("close", () => resolve());
  }).catch((error: unknown) => fail(context, `orrery: ${(error as Error).message}`));
}

function eventLine({ at, type, network, member, details, latest }: Readonly<Record<string, unknown>>): string {
  if (type === "gap") return `(events before ${String(latest)} are lost)`;
  const more = Object.entries((details ?? {}) as Readonly<Record<string, unknown>>).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  return [new Date(Number(at)).toISOString(), type, network, member ?? "-", ...more].join(" ");
}
