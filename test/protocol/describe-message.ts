/** The main fields of a message as the recorder of the captures wrote them into *.decoded.jsonl. */
import { formatAddress } from "../../src/protocol/address.ts";
import type { MulticastGroup } from "../../src/protocol/ethernet.ts";
import { identityBytesAddress } from "../../src/protocol/identity-bytes.ts";
import { type Endpoint, formatEndpoint } from "../../src/protocol/inet-address.ts";
import { decodeError, decodeNetworkError } from "../../src/protocol/messages/error.ts";
import { decodeExtFrame } from "../../src/protocol/messages/ext-frame.ts";
import { decodeFrame } from "../../src/protocol/messages/frame.ts";
import { decodeHello, decodeOkHello } from "../../src/protocol/messages/hello.ts";
import { decodeMulticastFrame, decodeOkMulticastFrame } from "../../src/protocol/messages/multicast-frame.ts";
import { decodeMulticastGather, decodeOkMulticastGather } from "../../src/protocol/messages/multicast-gather.ts";
import { decodeMulticastLike } from "../../src/protocol/messages/multicast-like.ts";
import { decodeNetworkConfig } from "../../src/protocol/messages/network-config.ts";
import { decodeNetworkConfigRequest } from "../../src/protocol/messages/network-config-request.ts";
import { decodeOk } from "../../src/protocol/messages/ok.ts";
import { decodePushDirectPaths } from "../../src/protocol/messages/push-direct-paths.ts";
import { decodeRendezvous } from "../../src/protocol/messages/rendezvous.ts";
import { decodeOkWhois, decodeWhois } from "../../src/protocol/messages/whois.ts";
import { ErrorCode, Verb } from "../../src/protocol/verbs.ts";
import { accepted } from "./codecs.ts";

type Fields = Record<string, unknown>;

const WORLDS_LENGTH_BYTES = 2;

/** `HELLO` for 1: the name a number has in a table of numbers. */
export function nameOf(table: Readonly<Record<string, number>>, number: number): string {
  return Object.keys(table).find((name) => table[name] === number) ?? `${number}`;
}

const id = (value: bigint) => value.toString(16).padStart(16, "0");
const at = (endpoint: Endpoint | null) => (endpoint === null ? null : formatEndpoint(endpoint));
const groupFields = ({ mac, adi }: MulticastGroup) => ({ group: mac.toString(16).padStart(12, "0"), adi });

function versionFields(of: {
  protocolVersion: number;
  versionMajor: number;
  versionMinor: number;
  versionRevision: number;
}): Fields {
  return { proto: of.protocolVersion, version: `${of.versionMajor}.${of.versionMinor}.${of.versionRevision}` };
}

const DESCRIBE: Readonly<Record<number, (payload: Uint8Array) => Fields>> = {
  [Verb.HELLO]: (payload) => {
    const { hello } = accepted(decodeHello(payload));
    return {
      ...versionFields(hello),
      ts: Number(hello.timestamp),
      identity: formatAddress(identityBytesAddress(hello.identity)),
      physicalDest: at(hello.sentTo),
    };
  },
  [Verb.OK]: (payload) => {
    const { inReVerb, inRePacketId, body } = accepted(decodeOk(payload));
    const described = DESCRIBE_OK[inReVerb]?.(body) ?? {};
    return { inRe: nameOf(Verb, inReVerb), inReId: id(inRePacketId), ...described };
  },
  [Verb.ERROR]: (payload) => {
    const { inReVerb, inRePacketId, code, body } = accepted(decodeError(payload));
    return {
      inRe: nameOf(Verb, inReVerb),
      inReId: id(inRePacketId),
      error: nameOf(ErrorCode, code),
      nwid: id(accepted(decodeNetworkError(body)).networkId),
    };
  },
  [Verb.WHOIS]: (payload) => ({ who: accepted(decodeWhois(payload)).addresses.map(formatAddress) }),
  [Verb.RENDEZVOUS]: (payload) => {
    const { peer, endpoint } = accepted(decodeRendezvous(payload));
    return { peer: formatAddress(peer), at: at(endpoint) };
  },
  [Verb.FRAME]: (payload) => {
    const { networkId, etherType, data } = accepted(decodeFrame(payload));
    return { nwid: id(networkId), etherType: etherType.toString(16).padStart(4, "0"), frameLen: data.length };
  },
  [Verb.EXT_FRAME]: (payload) => {
    const { networkId, flags } = accepted(decodeExtFrame(payload));
    return { nwid: id(networkId), flags };
  },
  [Verb.MULTICAST_LIKE]: (payload) => {
    const { subscriptions } = accepted(decodeMulticastLike(payload));
    const { networkId, group } = subscriptions[0]!;
    return { count: subscriptions.length, first: { nwid: id(networkId), ...groupFields(group) } };
  },
  [Verb.NETWORK_CONFIG_REQUEST]: (payload) => {
    const { networkId, metadata } = accepted(decodeNetworkConfigRequest(payload));
    return { nwid: id(networkId), metaLen: metadata.length };
  },
  [Verb.NETWORK_CONFIG]: describeChunk,
  [Verb.MULTICAST_GATHER]: (payload) => {
    const { networkId, group, limit, certificate } = accepted(decodeMulticastGather(payload));
    return { nwid: id(networkId), flags: certificate === null ? 0 : 1, ...groupFields(group), limit };
  },
  [Verb.MULTICAST_FRAME]: (payload) => {
    const { networkId, certificate, gatherLimit, source, replicate } = accepted(decodeMulticastFrame(payload));
    const flags =
      (certificate ? 1 : 0) | (gatherLimit !== null ? 2 : 0) | (source !== null ? 4 : 0) | (replicate ? 8 : 0);
    return { nwid: id(networkId), flags };
  },
  [Verb.PUSH_DIRECT_PATHS]: (payload) => ({
    paths: accepted(decodePushDirectPaths(payload)).paths.map(({ flags, endpoint }) => ({ flags, at: at(endpoint) })),
  }),
};

const DESCRIBE_OK: Readonly<Record<number, (body: Uint8Array) => Fields>> = {
  [Verb.HELLO]: (body) => {
    const ok = accepted(decodeOkHello(body));
    return {
      ...versionFields(ok),
      tsEcho: Number(ok.timestamp),
      surface: at(ok.surface),
      worldBytes: ok.worlds.length + WORLDS_LENGTH_BYTES,
    };
  },
  [Verb.WHOIS]: (body) => ({ identity: formatAddress(identityBytesAddress(accepted(decodeOkWhois(body))[0]!)) }),
  [Verb.NETWORK_CONFIG_REQUEST]: describeChunk,
  [Verb.MULTICAST_GATHER]: (body) => {
    const { networkId, group, results } = accepted(decodeOkMulticastGather(body));
    return { nwid: id(networkId), ...groupFields(group), total: results.total, count: results.members.length };
  },
  [Verb.MULTICAST_FRAME]: (body) => {
    const { networkId, group } = accepted(decodeOkMulticastFrame(body));
    return { nwid: id(networkId), ...groupFields(group) };
  },
};

function describeChunk(payload: Uint8Array): Fields {
  const { chunk } = accepted(decodeNetworkConfig(payload));
  return { nwid: id(chunk.networkId), chunkLen: chunk.slice.length };
}

/** Fields of a verb's clear, uncompressed payload; none for verbs of which only the name was recorded. */
export function describeMessage(verb: number, payload: Uint8Array): Fields {
  return DESCRIBE[verb]?.(payload) ?? {};
}
