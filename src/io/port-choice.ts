/**
 * Which port to use. Facts: local-api.md §4 (a port is usable if UDP and TCP can be bound; 0 = random in
 * 20000..65499, up to 256 tries).
 */
import { connect, createServer } from "node:net";
import type { Random } from "../node/ports.ts";
import { formatIp, makeEndpoint } from "../protocol/inet-address.ts";
import { bindSocket, closeSocket } from "./dgram-socket.ts";
import { bindError, errorCode, IoError } from "./errors.ts";
import { randomInteger } from "./random.ts";

export const RANDOM_PORT_LOW = 20_000;
export const RANDOM_PORT_HIGH = 65_499;
const MAX_TRIES = 256;
const CONNECT_TIMEOUT_MS = 1000;
const SMALL_BUFFER_BYTES = 65_536;
const ABSENT_ADDRESS_CODES: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);
const WILDCARDS: readonly Uint8Array[] = [new Uint8Array(4), new Uint8Array(16)];

export interface PortRequest {
  /** The port to use, or 0 for a random one. */
  readonly port: number;
  /** Local IPs that must all be free at that port; empty = the wildcards, of which one must be (v4, or else v6). */
  readonly bind: readonly Uint8Array[];
  /** IP on which TCP must be free too (the service API), or null when only UDP matters. */
  readonly tcp: Uint8Array | null;
  readonly random: Random;
}

/** Resolves if a UDP socket can be bound; rejects with the system's error. */
async function tryUdp(ip: Uint8Array, port: number): Promise<void> {
  const bound = await bindSocket(makeEndpoint(ip, port), SMALL_BUFFER_BYTES);
  await closeSocket(bound.handle);
}

/** Resolves if a TCP listener can be bound; rejects with the system's error. */
function tryTcp(ip: Uint8Array, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: formatIp(ip), port, exclusive: true, ipv6Only: true }, () => server.close(() => resolve()));
  });
}

/**
 * True if nobody listens there: then connections of a program that has ended hold the port, for a minute at most. The
 * reference's do after it was asked something, and keep ours from listening (it shares its port, we do not).
 */
export function isLingering(ip: Uint8Array, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: formatIp(ip), port });
    const settle = (lingers: boolean) => {
      socket.destroy();
      resolve(lingers);
    };
    socket.once("connect", () => settle(false));
    socket.once("error", (error) => settle(errorCode(error) === "ECONNREFUSED"));
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => settle(false));
  });
}

/** The system's code of a failed attempt, or null. */
async function failureCode(attempt: Promise<void>): Promise<string | null> {
  try {
    await attempt;
    return null;
  } catch (error) {
    return errorCode(error);
  }
}

/** Why `port` cannot be used, or null. */
async function obstacle(request: PortRequest, port: number): Promise<IoError | null> {
  const explicit = request.bind.length > 0;
  for (const ip of explicit ? request.bind : WILDCARDS) {
    const code = await failureCode(tryUdp(ip, port));
    if (code === null && !explicit) break;
    // An address that is not there yet, or a machine without IPv6, says nothing about the port.
    if (code !== null && !ABSENT_ADDRESS_CODES.has(code)) return bindError("UDP", makeEndpoint(ip, port), code);
  }
  if (request.tcp === null) return null;
  const code = await failureCode(tryTcp(request.tcp, port));
  if (code === "EADDRINUSE" && (await isLingering(request.tcp, port))) return null;
  return code === null ? null : bindError("TCP", makeEndpoint(request.tcp, port), code);
}

/**
 * The port to use: `request.port` itself if it is usable, or a random usable one if that is 0.
 * Throws an IoError that names the address and says what to do.
 */
export async function findUsablePort(request: PortRequest): Promise<number> {
  if (request.port !== 0) {
    const problem = await obstacle(request, request.port);
    if (problem !== null) throw problem;
    return request.port;
  }
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const port = randomInteger(request.random, RANDOM_PORT_LOW, RANDOM_PORT_HIGH);
    if ((await obstacle(request, port)) === null) return port;
  }
  throw new IoError(
    "EADDRINUSE",
    `no free port found between ${RANDOM_PORT_LOW} and ${RANDOM_PORT_HIGH} in ${MAX_TRIES} tries`,
    "set listen.port to a port that is free",
  );
}
