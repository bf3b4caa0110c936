/**
 * Asks a root the one question that every client asks first: sends a real HELLO from a socket and an identity of its
 * own and waits for the OK. If this works, the datapath works: readiness and `orrery doctor` are built on it.
 * Facts: vl1-packets.md §5.2 (HELLO and its OK), vl1-behaviour.md §2 (what the root does with it).
 *
 * The root's gate may drop the first HELLO of an unknown identity, so it is repeated with fresh packet ids.
 */
import { createSocket, type Socket } from "node:dgram";
import { generateIdentity } from "../identity/generate.ts";
import { encodeIdentity, type Identity } from "../identity/identity.ts";
import { armor, CipherSuite, cipherHelloField, dearmor, PeerKey } from "../protocol/armor.ts";
import { PROTOCOL_VERSION, VERSION_MAJOR, VERSION_MINOR, VERSION_REVISION } from "../protocol/constants.ts";
import { type Endpoint, formatIp } from "../protocol/inet-address.ts";
import { decodeError } from "../protocol/messages/error.ts";
import { decodeOkHello, encodeHello } from "../protocol/messages/hello.ts";
import { decodeOk } from "../protocol/messages/ok.ts";
import {
  classifyDatagram,
  destinationOf,
  isCompressed,
  newPacket,
  PACKET_ID_BYTES,
  PAYLOAD_OFFSET,
  packetIdOf,
  payloadOf,
  sourceOf,
  verbOf,
} from "../protocol/packet.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import { errorCode } from "./errors.ts";
import { randomFill } from "./random.ts";

const RESEND_INTERVAL_MS = 500;

export interface ProbeOptions {
  /** Where the root is supposed to answer. */
  readonly target: Endpoint;
  /** Whom we expect there; only the holder of its secret can answer. */
  readonly root: Identity;
  readonly timeoutMs: number;
  /** The asking identity, with its secret. Without it a throw-away one is made, which takes a moment. */
  readonly identity?: Identity;
}

/** Answered, with the round trip of the HELLO that was answered and our address as the root saw it; or why not. */
export type ProbeResult =
  | { readonly ok: true; readonly rttMs: number; readonly surface: Endpoint | null }
  | { readonly ok: false; readonly reason: string };

/** Sends HELLOs to `target` until the root's OK arrives or `timeoutMs` is over. Never throws. */
export async function probeHello(options: ProbeOptions): Promise<ProbeResult> {
  const { target, root, timeoutMs } = options;
  const identity = options.identity ?? generateIdentity(randomFill);
  const key = new PeerKey(identity.agree(root));
  const socket = createSocket(target.family === 4 ? "udp4" : "udp6");
  const sentAt = new Map<bigint, number>();
  let resend: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  try {
    return await new Promise<ProbeResult>((resolve) => {
      const send = () => {
        const packet = helloPacket(identity, root, target, key);
        sentAt.set(packetIdOf(packet), performance.now());
        socket.send(packet, target.port, formatIp(target.ip), (error) => {
          if (error !== null) resolve({ ok: false, reason: `cannot send there (${errorCode(error)})` });
        });
      };
      deadline = setTimeout(() => resolve({ ok: false, reason: `no answer within ${timeoutMs} ms` }), timeoutMs);
      socket.on("error", (error) => resolve({ ok: false, reason: `no socket for it (${errorCode(error)})` }));
      socket.on("message", (datagram) => {
        const result = readAnswer(datagram, identity, root, key, sentAt);
        if (result !== null) resolve(result);
      });
      socket.bind(() => {
        send();
        resend = setInterval(send, RESEND_INTERVAL_MS);
      });
    });
  } finally {
    clearInterval(resend);
    clearTimeout(deadline);
    closeQuietly(socket);
  }
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // A socket that failed to bind is closed already; there is nothing left to release.
  }
}

function helloPacket(identity: Identity, root: Identity, target: Endpoint, key: PeerKey): Uint8Array {
  const { payload, encryptedFrom } = encodeHello({
    protocolVersion: PROTOCOL_VERSION,
    versionMajor: VERSION_MAJOR,
    versionMinor: VERSION_MINOR,
    versionRevision: VERSION_REVISION,
    timestamp: BigInt(Date.now()),
    identity: encodeIdentity(identity.publicOnly()),
    sentTo: target,
    // No planet: the root then attaches no worlds to its answer.
    planetId: 0n,
    planetTimestamp: 0n,
    moons: [],
  });
  const id = new Uint8Array(PACKET_ID_BYTES);
  randomFill(id);
  const packet = newPacket(id, root.address, identity.address, Verb.HELLO, payload);
  cipherHelloField(packet, PAYLOAD_OFFSET + encryptedFrom, key);
  armor(packet, key, CipherSuite.POLY1305_NONE);
  return packet;
}

/** The verdict that a datagram brings, or null if it is none of our business. */
function readAnswer(
  datagram: Uint8Array,
  identity: Identity,
  root: Identity,
  key: PeerKey,
  sentAt: ReadonlyMap<bigint, number>,
): ProbeResult | null {
  const arrivedAt = performance.now();
  if (classifyDatagram(datagram) !== "packet") return null;
  if (sourceOf(datagram) !== root.address || destinationOf(datagram) !== identity.address) return null;
  if (!dearmor(datagram, key) || isCompressed(datagram)) return null;
  const payload = payloadOf(datagram);
  if (verbOf(datagram) === Verb.ERROR) {
    const error = decodeError(payload);
    if (!error.ok || !sentAt.has(error.value.inRePacketId)) return null;
    const collision = error.value.code === ErrorCode.IDENTITY_COLLISION;
    return {
      ok: false,
      reason: collision ? "it says that our address is taken" : `it answered error ${error.value.code}`,
    };
  }
  if (verbOf(datagram) !== Verb.OK) return null;
  const ok = decodeOk(payload);
  if (!ok.ok || ok.value.inReVerb !== Verb.HELLO) return null;
  const sent = sentAt.get(ok.value.inRePacketId);
  const hello = decodeOkHello(ok.value.body);
  if (sent === undefined || !hello.ok) return null;
  return { ok: true, rttMs: arrivedAt - sent, surface: hello.value.surface };
}
