/** Every verb's decoder and encoder under its number, so that tests can go over all of them. */
import assert from "node:assert/strict";
import type { Verdict } from "../../src/protocol/errors.ts";
import { decodeAck, encodeAck } from "../../src/protocol/messages/ack.ts";
import { decodeEcho, encodeEcho } from "../../src/protocol/messages/echo.ts";
import {
  decodeError,
  decodeNetworkError,
  decodeUnwantedMulticast,
  encodeError,
  encodeNetworkError,
  encodeUnwantedMulticast,
} from "../../src/protocol/messages/error.ts";
import {
  decodeExtFrame,
  decodeOkExtFrame,
  encodeExtFrame,
  encodeOkExtFrame,
} from "../../src/protocol/messages/ext-frame.ts";
import { decodeFrame, encodeFrame } from "../../src/protocol/messages/frame.ts";
import {
  decodeHello,
  decodeHelloMoons,
  decodeOkHello,
  encodeHello,
  encodeOkHello,
  type Hello,
} from "../../src/protocol/messages/hello.ts";
import {
  decodeMulticastFrame,
  decodeOkMulticastFrame,
  encodeMulticastFrame,
  encodeOkMulticastFrame,
} from "../../src/protocol/messages/multicast-frame.ts";
import {
  decodeMulticastGather,
  decodeOkMulticastGather,
  encodeMulticastGather,
  encodeOkMulticastGather,
} from "../../src/protocol/messages/multicast-gather.ts";
import { decodeMulticastLike, encodeMulticastLike } from "../../src/protocol/messages/multicast-like.ts";
import {
  decodeConfigAcknowledgement,
  decodeNetworkConfig,
  encodeConfigAcknowledgement,
  encodeNetworkConfig,
} from "../../src/protocol/messages/network-config.ts";
import {
  decodeNetworkConfigRequest,
  encodeNetworkConfigRequest,
} from "../../src/protocol/messages/network-config-request.ts";
import { decodeNetworkCredentials, encodeNetworkCredentials } from "../../src/protocol/messages/network-credentials.ts";
import { decodeNop, encodeNop } from "../../src/protocol/messages/nop.ts";
import { decodeOk, encodeOk } from "../../src/protocol/messages/ok.ts";
import { decodePathNegotiation, encodePathNegotiation } from "../../src/protocol/messages/path-negotiation.ts";
import { decodePushDirectPaths, encodePushDirectPaths } from "../../src/protocol/messages/push-direct-paths.ts";
import { decodeQosMeasurement, encodeQosMeasurement } from "../../src/protocol/messages/qos-measurement.ts";
import { decodeRemoteTrace, encodeRemoteTrace } from "../../src/protocol/messages/remote-trace.ts";
import { decodeRendezvous, encodeRendezvous } from "../../src/protocol/messages/rendezvous.ts";
import { decodeUserMessage, encodeUserMessage } from "../../src/protocol/messages/user-message.ts";
import { decodeOkWhois, decodeWhois, encodeOkWhois, encodeWhois } from "../../src/protocol/messages/whois.ts";
import { ErrorCode, Verb } from "../../src/protocol/verbs.ts";

/** A decoder and its encoder, with what lies between them unknown. */
export interface Codec {
  readonly decode: (payload: Uint8Array) => Verdict<unknown>;
  readonly encode: (value: never) => Uint8Array;
}

/** Ties a pair together while the compiler still knows that they fit. */
function codec<T>(decode: (payload: Uint8Array) => Verdict<T>, encode: (value: T) => Uint8Array): Codec {
  return { decode, encode };
}

/** The value of a verdict that must be an acceptance. */
export function accepted<T>(verdict: Verdict<T>): T {
  if (!verdict.ok) assert.fail(`refused: ${verdict.code} at ${verdict.offset}`);
  return verdict.value;
}

/** Fails the test unless the verdict is this refusal. */
export function assertRefused(verdict: Verdict<unknown>, code: string, offset?: number): void {
  assert.equal(verdict.ok, false);
  if (verdict.ok) return;
  assert.equal(verdict.code, code);
  if (offset !== undefined) assert.equal(verdict.offset, offset);
}

/** HELLO with its moon section in the clear. */
export function decodeClearHello(payload: Uint8Array): Verdict<Hello> {
  const verdict = decodeHello(payload);
  if (!verdict.ok) return verdict;
  const { hello, encryptedFrom } = verdict.value;
  if (encryptedFrom < 0) return { ok: true, value: hello };
  const moons = decodeHelloMoons(payload.subarray(encryptedFrom));
  return moons.ok ? { ok: true, value: { ...hello, moons: moons.value } } : moons;
}

/** The verbs, by number. HELLO is taken with its moons in the clear. */
export const MESSAGE_CODECS: ReadonlyMap<number, Codec> = new Map([
  [Verb.NOP, codec(decodeNop, encodeNop)],
  [Verb.HELLO, codec(decodeClearHello, (hello) => encodeHello(hello).payload)],
  [Verb.ERROR, codec(decodeError, encodeError)],
  [Verb.OK, codec(decodeOk, ({ inReVerb, inRePacketId, body }) => encodeOk(inReVerb, inRePacketId, body))],
  [Verb.WHOIS, codec(decodeWhois, encodeWhois)],
  [Verb.RENDEZVOUS, codec(decodeRendezvous, encodeRendezvous)],
  [Verb.FRAME, codec(decodeFrame, encodeFrame)],
  [Verb.EXT_FRAME, codec(decodeExtFrame, encodeExtFrame)],
  [Verb.ECHO, codec(decodeEcho, encodeEcho)],
  [Verb.MULTICAST_LIKE, codec(decodeMulticastLike, encodeMulticastLike)],
  [
    Verb.NETWORK_CREDENTIALS,
    codec(decodeNetworkCredentials, ({ credentials }) => encodeNetworkCredentials(credentials)),
  ],
  [Verb.NETWORK_CONFIG_REQUEST, codec(decodeNetworkConfigRequest, encodeNetworkConfigRequest)],
  [Verb.NETWORK_CONFIG, codec(decodeNetworkConfig, ({ chunk }) => encodeNetworkConfig(chunk))],
  [Verb.MULTICAST_GATHER, codec(decodeMulticastGather, encodeMulticastGather)],
  [Verb.MULTICAST_FRAME, codec(decodeMulticastFrame, encodeMulticastFrame)],
  [Verb.PUSH_DIRECT_PATHS, codec(decodePushDirectPaths, encodePushDirectPaths)],
  [Verb.ACK, codec(decodeAck, encodeAck)],
  [Verb.QOS_MEASUREMENT, codec(decodeQosMeasurement, encodeQosMeasurement)],
  [Verb.USER_MESSAGE, codec(decodeUserMessage, encodeUserMessage)],
  [Verb.REMOTE_TRACE, codec(decodeRemoteTrace, encodeRemoteTrace)],
  [Verb.PATH_NEGOTIATION_REQUEST, codec(decodePathNegotiation, encodePathNegotiation)],
]);

/** Bodies of OK, by the verb they answer. */
export const OK_CODECS: ReadonlyMap<number, Codec> = new Map([
  [Verb.HELLO, codec(decodeOkHello, encodeOkHello)],
  [Verb.WHOIS, codec(decodeOkWhois, encodeOkWhois)],
  [Verb.EXT_FRAME, codec(decodeOkExtFrame, encodeOkExtFrame)],
  [Verb.ECHO, codec(decodeEcho, encodeEcho)],
  [Verb.NETWORK_CONFIG_REQUEST, codec(decodeNetworkConfig, ({ chunk }) => encodeNetworkConfig(chunk))],
  [Verb.MULTICAST_GATHER, codec(decodeOkMulticastGather, encodeOkMulticastGather)],
  [Verb.MULTICAST_FRAME, codec(decodeOkMulticastFrame, encodeOkMulticastFrame)],
]);

/** Acknowledges a configuration, under the verb ECHO. */
export const CONFIG_ACKNOWLEDGEMENT_CODEC: Codec = codec(decodeConfigAcknowledgement, encodeConfigAcknowledgement);

const NETWORK_ERROR_CODEC = codec(decodeNetworkError, encodeNetworkError);

/** Bodies of ERROR, by code. */
export const ERROR_CODECS: ReadonlyMap<number, Codec> = new Map([
  [ErrorCode.OBJ_NOT_FOUND, NETWORK_ERROR_CODEC],
  [ErrorCode.UNSUPPORTED_OPERATION, NETWORK_ERROR_CODEC],
  [ErrorCode.NEED_MEMBERSHIP_CERTIFICATE, NETWORK_ERROR_CODEC],
  [ErrorCode.NETWORK_ACCESS_DENIED, NETWORK_ERROR_CODEC],
  [ErrorCode.NETWORK_AUTHENTICATION_REQUIRED, NETWORK_ERROR_CODEC],
  [ErrorCode.UNWANTED_MULTICAST, codec(decodeUnwantedMulticast, encodeUnwantedMulticast)],
]);

/** Decodes with a codec, which must accept, and encodes again. */
export function recode({ decode, encode }: Codec, payload: Uint8Array): Uint8Array {
  return encode(accepted(decode(payload)) as never);
}

/**
 * Decodes a payload with its verb's codec, the bodies of OK and ERROR with theirs, and encodes all of it again.
 * Fails the test if any decoder refuses.
 */
export function recodeWhole(verb: number, payload: Uint8Array): Uint8Array {
  const outer = MESSAGE_CODECS.get(verb) ?? assert.fail(`verb ${verb} has no codec`);
  if (verb === Verb.OK) {
    const { inReVerb, inRePacketId, body } = accepted(decodeOk(payload));
    const inner = OK_CODECS.get(inReVerb) ?? assert.fail(`OK to ${inReVerb} has no codec`);
    return encodeOk(inReVerb, inRePacketId, recode(inner, body));
  }
  if (verb === Verb.ERROR) {
    const error = accepted(decodeError(payload));
    const inner = ERROR_CODECS.get(error.code);
    return encodeError({ ...error, body: inner === undefined ? error.body : recode(inner, error.body) });
  }
  return recode(outer, payload);
}
