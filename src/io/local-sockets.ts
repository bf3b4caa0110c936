/**
 * Which sockets a transport has: the ports it uses, the local addresses to bind now, and which failures stop the
 * start. Shared by every transport, so that they cannot differ.
 * Facts: vl1-behaviour.md §7, local-api.md §4–§5 (`bind`, blacklists).
 */
import type { LocalSocket, Random } from "../node/ports.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { type Endpoint, endpointKey, type IpPrefix, makeEndpoint } from "../protocol/inet-address.ts";
import { bindError, type IoError } from "./errors.ts";
import { type InterfaceAddress, localAddresses, systemAddresses } from "./interfaces.ts";
import { findUsablePort } from "./port-choice.ts";
import { randomFill } from "./random.ts";
import type { BindProblem } from "./transport.ts";

/** What a port is for: being found; another try through NATs; being forwarded by a router (vl1-behaviour.md §7). */
export type PortRole = "primary" | "secondary" | "tertiary";

/** One port to open on every address. 0 = random, chosen once when the transport opens. */
export interface PortChoice {
  readonly port: number;
  readonly role: PortRole;
}

export interface SocketOptions {
  readonly ports: readonly PortChoice[];
  /** Bind exactly these IPs (wildcards allowed); empty = every eligible interface address. */
  readonly bind: readonly Uint8Array[];
  readonly interfacePrefixBlacklist: readonly string[];
  /** Local addresses inside these are not bound. */
  readonly blacklist: readonly IpPrefix[];
  readonly receiveBufferBytes: number;
  /** Where the machine's addresses come from; tests give their own. */
  readonly addresses?: () => readonly InterfaceAddress[];
  readonly random?: Random;
}

/** What may change while running. */
export type AddressOptions = Pick<SocketOptions, "bind" | "interfacePrefixBlacklist" | "blacklist">;

/** A socket that should be open. */
export interface WantedSocket {
  readonly local: Endpoint;
  readonly primary: boolean;
  /** The interface that has the address; null for a wildcard, or an address that no interface has. */
  readonly device: string | null;
}

function isWildcard(ip: Uint8Array): boolean {
  return ip.every((byte) => byte === 0);
}

/** The ports with random ones resolved, each once. Throws an IoError if no port is free. */
export async function resolvePorts({ ports, bind, random = randomFill }: SocketOptions): Promise<PortChoice[]> {
  const resolved: PortChoice[] = [];
  for (const choice of ports) {
    const port = choice.port || (await findUsablePort({ port: 0, bind, tcp: null, random }));
    if (!resolved.some((other) => other.port === port)) resolved.push({ port, role: choice.role });
  }
  return resolved;
}

/** The same ports, but another random one in place of that with `role`. Throws an IoError if no port is free. */
export async function otherPort(
  { bind, random = randomFill }: SocketOptions,
  ports: readonly PortChoice[],
  role: PortRole,
): Promise<readonly PortChoice[]> {
  if (!ports.some((choice) => choice.role === role)) return ports;
  const port = await findUsablePort({ port: 0, bind, tcp: null, random });
  return ports.map((choice) => (choice.role === role ? { port, role } : choice));
}

/** The local IPs to bind now, and who has them. A wildcard stands for every address of its family. */
function wantedIps(options: SocketOptions): { readonly ip: Uint8Array; readonly name: string | null }[] {
  const { bind, addresses = systemAddresses } = options;
  const all = addresses();
  if (bind.length === 0) return localAddresses(options, all);
  const wildcards = bind.filter(isWildcard);
  return bind
    .filter((ip) => isWildcard(ip) || !wildcards.some((wildcard) => wildcard.length === ip.length))
    .map((ip) => ({ ip, name: all.find((address) => bytesEqual(address.ip, ip))?.name ?? null }));
}

/** The sockets to have now, by endpointKey of their local endpoint. */
export function wantedSockets(options: SocketOptions, ports: readonly PortChoice[]): Map<string, WantedSocket> {
  const wanted = new Map<string, WantedSocket>();
  for (const { ip, name: device } of wantedIps(options)) {
    for (const { port, role } of ports) {
      const local = makeEndpoint(ip, port);
      wanted.set(endpointKey(local), { local, primary: role === "primary", device });
    }
  }
  return wanted;
}

/**
 * A primary port that somebody else holds stops the start; so do `bind` addresses of which none exists. An
 * address that vanished while we looked, or a machine without a network yet, does not.
 */
export function fatalProblem(
  options: SocketOptions,
  ports: readonly PortChoice[],
  problems: readonly BindProblem[],
  open: readonly LocalSocket[],
): IoError | null {
  const primary = ports.find(({ role }) => role === "primary");
  const relevant = problems.filter((problem) => problem.local.port === primary?.port);
  const taken = relevant.find((problem) => ["EADDRINUSE", "EACCES", "EPERM"].includes(problem.code));
  const bound = open.some((socket) => socket.primary);
  const worst = taken ?? (bound || options.bind.length === 0 ? undefined : relevant[0]);
  return worst === undefined ? null : bindError("UDP", worst.local, worst.code);
}
