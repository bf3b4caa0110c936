/**
 * NAT-PMP, RFC 6886: asks the router next to us to forward a UDP port. Requests go to port 5351 of the gateway; only what
 * that very address answers is read (the socket is connected), and only if it answers what was asked.
 *
 * | offset | size | request for the outer address | request for a mapping | answer |
 * |---|---|---|---|---|
 * | 0 | 1 | version 0 | version 0 | version 0 |
 * | 1 | 1 | 0 | 1 = UDP | 128 + that of the request |
 * | 2 | 2 | | 0 | result, 0 = done |
 * | 4 | 2 | | inner port | seconds since the router's tables are what they are (4 bytes) |
 * | 6 | 2 | | outer port wanted | |
 * | 8 | 4 | | lifetime in seconds, 0 = remove | outer address, or inner port and outer port |
 * | 12 | 4 | | | lifetime in seconds (mappings) |
 */
import { createSocket } from "node:dgram";
import { formatIp, makeEndpoint } from "../protocol/inet-address.ts";
import { errorCode } from "./errors.ts";
import { isOuterAddress, LEASE_SECONDS, type MappingRequest, type MappingResult } from "./mapping.ts";

export const NAT_PMP_PORT = 5351;
const VERSION = 0;
const ASK_ADDRESS = 0;
const ASK_UDP = 1;
const ANSWER = 128;
const ADDRESS_ANSWER_BYTES = 12;
const MAPPING_ANSWER_BYTES = 16;
/** The RFC goes on doubling for a minute; a router in the next room that is silent for so long has no NAT-PMP. */
const RESEND_AFTER_MS = [250, 500, 1000, 1500] as const;
const REMOVE_WAIT_MS = [500] as const;

const RESULTS: Readonly<Record<number, string>> = {
  1: "version not supported",
  2: "not authorized, or switched off",
  3: "the router has no address outside",
  4: "the router has no room for more mappings",
  5: "not supported",
};

/** Whom to ask. The port differs in tests only. */
export interface NatPmpGateway {
  readonly ip: Uint8Array;
  readonly port?: number;
}

type Answer = { readonly bytes: DataView } | { readonly refused: string };

function ask(
  request: Uint8Array,
  gateway: NatPmpGateway,
  local: Uint8Array,
  resend: readonly number[],
): Promise<Answer> {
  const op = request[1]!;
  const length = op === ASK_ADDRESS ? ADDRESS_ANSWER_BYTES : MAPPING_ANSWER_BYTES;
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    let timer: NodeJS.Timeout | undefined;
    const end = (answer: Answer) => {
      clearTimeout(timer);
      socket.removeAllListeners().on("error", () => {});
      socket.close();
      resolve(answer);
    };
    const send = (tries: number) => {
      if (tries >= resend.length) return end({ refused: "no answer" });
      socket.send(request, (error) => error && end({ refused: errorCode(error) }));
      timer = setTimeout(send, resend[tries], tries + 1);
    };
    socket.on("error", (error) => end({ refused: errorCode(error) }));
    socket.on("message", (bytes) => {
      if (bytes.length < 4 || bytes[0] !== VERSION || bytes[1] !== ANSWER + op) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const result = view.getUint16(2);
      if (result !== 0) end({ refused: RESULTS[result] ?? `result ${result}` });
      else if (bytes.length >= length) end({ bytes: view });
    });
    socket.bind({ address: formatIp(local) }, () => {
      socket.connect(gateway.port ?? NAT_PMP_PORT, formatIp(gateway.ip), () => send(0));
    });
  });
}

function mappingRequest(port: number, wantedPort: number, seconds: number): Uint8Array {
  const request = new Uint8Array(12);
  const view = new DataView(request.buffer);
  request[1] = ASK_UDP;
  view.setUint16(4, port);
  view.setUint16(6, wantedPort);
  view.setUint32(8, seconds);
  return request;
}

/** Asks for a mapping, or renews it. Never rejects. */
export async function mapByNatPmp(gateway: NatPmpGateway, wanted: MappingRequest): Promise<MappingResult> {
  const { local, port, wantedPort } = wanted;
  const address = await ask(Uint8Array.of(VERSION, ASK_ADDRESS), gateway, local, RESEND_AFTER_MS);
  if ("refused" in address) return address;
  const ip = new Uint8Array(address.bytes.buffer, address.bytes.byteOffset + 8, 4).slice();
  if (!isOuterAddress(ip)) return { refused: `the router tells ${formatIp(ip)} as its address` };
  const answer = await ask(mappingRequest(port, wantedPort, LEASE_SECONDS), gateway, local, RESEND_AFTER_MS);
  if ("refused" in answer) return answer;
  const { bytes } = answer;
  const outer = bytes.getUint16(10);
  if (bytes.getUint16(8) !== port || outer === 0) return { refused: "an answer about another port" };
  return {
    protocol: "nat-pmp",
    external: makeEndpoint(ip, outer),
    leaseSeconds: bytes.getUint32(12),
    remove: async () => {
      await ask(mappingRequest(port, 0, 0), gateway, local, REMOVE_WAIT_MS);
    },
  };
}
