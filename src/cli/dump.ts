/** `dump`: what support asks for, in one file. Layout as recorded (cli.md §2). */
import { writeFileSync } from "node:fs";
import { networkInterfaces, platform } from "node:os";
import { join, resolve } from "node:path";
import { isJsonObject } from "../json/json.ts";
import { parseJson } from "../json/json-parse.ts";
import { fetchBody, type ServiceSession } from "./client.ts";
import { fail } from "./context.ts";
import { readTextOrNull } from "./identity-argument.ts";
import { stringOf } from "./json-fields.ts";

const DUMP_FILE = "zerotier_dump.txt";
const DUMP_MODE = 0o600;
const PLATFORM_NAMES: Readonly<Record<string, string>> = {
  linux: "Linux",
  darwin: "macOS",
  win32: "Windows",
  freebsd: "FreeBSD",
};

function versionIn(status: string): string {
  try {
    const value = parseJson(status);
    return isJsonObject(value) ? stringOf(value["version"]) : "";
  } catch {
    return "";
  }
}

function section(title: string, text: string): string {
  return `${title}\n${"-".repeat(title.length)}\n${text}\n\n`;
}

function interfacesText(): string {
  const blocks = Object.entries(networkInterfaces())
    .filter(([, addresses]) => addresses?.some((address) => !address.internal))
    .map(([name, addresses], index) => {
      const title = `Interface ${index}`;
      // Only Linux tells the MTU without a system call that Node does not have.
      const mtu = readTextOrNull(join("/sys/class/net", name, "mtu"))?.trim() ?? "";
      const lines = [`Name: ${name}`, `MTU: ${mtu}`, `MAC: ${addresses?.[0]?.mac ?? ""}`, "Addresses: "];
      const ips = (addresses ?? []).map((address) => address.address);
      return `${title}\n${"-".repeat(title.length)}\n${[...lines, ...ips].join("\n")}\n`;
    });
  return blocks.join("");
}

/** Writes zerotier_dump.txt into the current directory: for its owner only, since it shows the network. */
export async function dump(session: ServiceSession): Promise<void> {
  const status = await fetchBody(session, "dump", "/status");
  const networks = await fetchBody(session, "dump", "/network");
  const peers = await fetchBody(session, "dump", "/peer");
  const localConf = readTextOrNull(join(session.home, "local.conf"))?.trim();
  const name = platform();
  const text =
    `platform: ${PLATFORM_NAMES[name] ?? name}\nzerotier version: ${versionIn(status)}\n\n` +
    section("status", status) +
    section("networks", networks) +
    section("peers", peers) +
    section("local.conf", localConf === undefined || localConf === "" ? "None Present" : localConf) +
    section("Network Interfaces", "") +
    interfacesText();
  const file = resolve(DUMP_FILE);
  session.context.stdout(`Writing dump to: ${file}\n`);
  try {
    writeFileSync(file, text, { mode: DUMP_MODE });
  } catch (error) {
    fail(session.context, `cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
