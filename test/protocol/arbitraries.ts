/** Random messages of every kind, for properties. */
import fc from "fast-check";
import { makeEndpoint } from "../../src/protocol/inet-address.ts";
import type { ConfigChunk } from "../../src/protocol/messages/network-config.ts";
import { ErrorCode, Verb } from "../../src/protocol/verbs.ts";

/** Records as literals make them, so that they equal decoded ones. */
function record<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });
const address = fc.integer({ min: 0, max: 0xffffffffff });
const mac = fc.integer({ min: 0, max: 0xffffffffffff });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const data = fc.uint8Array({ maxLength: 80 });
const group = record({ mac, adi: u32 });

const port = fc.nat(0xffff);
const endpointWith = (ports: fc.Arbitrary<number>) =>
  fc.tuple(fc.oneof(bytes(4), bytes(16)), ports).map(([ip, port]) => makeEndpoint(ip, port));
const endpoint = endpointWith(port);
const endpointOrNone = fc.option(endpoint);

/** 71 bytes with the type and the secret length that make them an identity. */
const identity = bytes(71).map((raw) => {
  raw[5] = 0;
  raw[70] = 0;
  return raw;
});

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Big-endian bytes of a small number. */
function number(value: number, length: number): Uint8Array {
  return new Uint8Array(Array.from({ length }, (_, i) => (value / 2 ** (8 * (length - 1 - i))) & 0xff));
}

const signature = bytes(96).map((raw) => join(number(1, 1), number(96, 2), raw));
const tail = signature.map((block) => join(block, number(0, 2)));
const nonZeroAddress = bytes(5).map((raw) => (raw.every((byte) => byte === 0) ? number(1, 5) : raw));

/** Certificate of membership with ascending qualifiers, signed or not. */
export const membership = fc
  .tuple(fc.array(bytes(16), { maxLength: 8 }), fc.option(fc.tuple(nonZeroAddress, bytes(96))))
  .map(([values, signed]) =>
    join(
      number(1, 1),
      number(values.length, 2),
      ...values.map((value, index) => join(number(index, 8), value)),
      ...(signed ?? [number(0, 5)]),
    ),
  );

const capability = fc
  .tuple(
    bytes(20),
    fc.array(
      fc.tuple(u8, data).map(([type, fields]) => join(number(type, 1), number(fields.length, 1), fields)),
      { maxLength: 4 },
    ),
    fc.array(fc.tuple(nonZeroAddress, bytes(5), signature), { maxLength: 7 }),
  )
  .map(([head, rules, links]) =>
    join(head, number(rules.length, 2), ...rules, number(7, 1), ...links.flat(), number(0, 5), number(0, 2)),
  );
const tag = fc.tuple(bytes(34), tail).map(([head, end]) => join(head, end));
const revocation = fc.tuple(bytes(51), tail).map(([head, end]) => join(head, end));
const ownership = fc
  .tuple(bytes(28), fc.array(bytes(17), { maxLength: 16 }), bytes(10), tail)
  .map(([head, things, addresses, end]) => join(head, number(things.length, 2), ...things, addresses, end));
const certificate = fc.option(membership);

const worldReference = record({ id: u64, timestamp: u64 });
const versions = {
  protocolVersion: u8,
  versionMajor: u8,
  versionMinor: u8,
  versionRevision: u16,
};

const configChunk: fc.Arbitrary<ConfigChunk> = fc.oneof(
  record({ networkId: u64, slice: data, assembly: fc.constant(null), signature: fc.constant(null) }),
  record({
    networkId: u64,
    slice: data,
    assembly: record({ flags: u8, updateId: u64, totalLength: fc.nat(484519 - 80), offset: fc.nat(1000) }),
    signature: bytes(96),
  }).map((chunk) => {
    const end = chunk.assembly.offset + chunk.slice.length;
    const totalLength = Math.max(chunk.assembly.totalLength, end);
    return { ...chunk, assembly: { ...chunk.assembly, totalLength } };
  }),
);

const results = record({ total: u32, members: fc.array(address, { maxLength: 20 }) });

/** A message of each verb, as its decoder reports it. Verbs whose decoder reports more are in the test itself. */
export const MESSAGES: ReadonlyMap<number, fc.Arbitrary<unknown>> = new Map<number, fc.Arbitrary<unknown>>([
  [Verb.NOP, fc.constant({})],
  [
    Verb.HELLO,
    record({
      ...versions,
      timestamp: u64,
      identity,
      sentTo: endpointOrNone,
      planetId: u64,
      planetTimestamp: u64,
      moons: fc.array(worldReference, { maxLength: 5 }),
    }),
  ],
  [Verb.ERROR, record({ inReVerb: u8, inRePacketId: u64, code: u8, body: data })],
  [Verb.OK, record({ inReVerb: u8, inRePacketId: u64, body: data })],
  [Verb.WHOIS, record({ addresses: fc.array(address, { minLength: 1, maxLength: 20 }) })],
  [Verb.RENDEZVOUS, record({ flags: u8, peer: address, endpoint: endpointWith(fc.integer({ min: 1, max: 0xffff })) })],
  [Verb.FRAME, record({ networkId: u64, etherType: u16, data })],
  [
    Verb.EXT_FRAME,
    record({
      networkId: u64,
      flags: u8.map((flags) => flags & ~0x01),
      certificate,
      destination: mac,
      source: mac,
      etherType: u16,
      data,
    }),
  ],
  [Verb.ECHO, record({ data })],
  [Verb.MULTICAST_LIKE, record({ subscriptions: fc.array(record({ networkId: u64, group }), { maxLength: 8 }) })],
  [
    Verb.NETWORK_CREDENTIALS,
    record({
      credentials: record({
        memberships: fc.array(membership, { maxLength: 2 }),
        capabilities: fc.array(capability, { maxLength: 2 }),
        tags: fc.array(tag, { maxLength: 2 }),
        revocations: fc.array(revocation, { maxLength: 2 }),
        ownerships: fc.array(ownership, { maxLength: 2 }),
      }),
      refusal: fc.constant(null),
    }),
  ],
  [
    Verb.NETWORK_CONFIG_REQUEST,
    record({ networkId: u64, metadata: fc.uint8Array({ maxLength: 1024 }), revision: u64, timestamp: u64 }),
  ],
  [Verb.NETWORK_CONFIG, configChunk],
  [Verb.MULTICAST_GATHER, record({ networkId: u64, group, limit: u32, certificate })],
  [
    Verb.MULTICAST_FRAME,
    record({
      networkId: u64,
      certificate,
      gatherLimit: fc.option(u32),
      source: fc.option(mac),
      replicate: fc.boolean(),
      group,
      etherType: u16,
      data,
    }),
  ],
  [Verb.PUSH_DIRECT_PATHS, record({ paths: fc.array(record({ flags: u8, endpoint }), { maxLength: 20 }) })],
  [Verb.ACK, record({ bytes: u32 })],
  [
    Verb.QOS_MEASUREMENT,
    record({ records: fc.array(record({ packetId: u64, holdingMs: u16 }), { minLength: 1, maxLength: 140 }) }),
  ],
  [Verb.USER_MESSAGE, record({ kind: u64, data })],
  [
    Verb.REMOTE_TRACE,
    record({
      traces: fc.array(
        data.map((raw) => raw.filter((byte) => byte !== 0)),
        { maxLength: 4 },
      ),
    }),
  ],
  [Verb.PATH_NEGOTIATION_REQUEST, record({ utility: fc.integer({ min: -0x8000, max: 0x7fff }) })],
]);

/** A body of OK for each verb that has one. */
export const OK_BODIES: ReadonlyMap<number, fc.Arbitrary<unknown>> = new Map<number, fc.Arbitrary<unknown>>([
  [Verb.HELLO, record({ ...versions, timestamp: u64, surface: endpointOrNone, worlds: data })],
  [Verb.WHOIS, fc.array(identity, { minLength: 1, maxLength: 5 })],
  [Verb.EXT_FRAME, record({ networkId: u64 })],
  [Verb.ECHO, record({ data })],
  [Verb.NETWORK_CONFIG_REQUEST, configChunk],
  [Verb.MULTICAST_GATHER, record({ networkId: u64, group, results })],
  [Verb.MULTICAST_FRAME, record({ networkId: u64, group, certificate, results: fc.option(results) })],
]);

const networkError = record({ networkId: u64, data: fc.option(data) });

/** A body of ERROR for each code that has one. */
export const ERROR_BODIES: ReadonlyMap<number, fc.Arbitrary<unknown>> = new Map<number, fc.Arbitrary<unknown>>([
  [ErrorCode.OBJ_NOT_FOUND, networkError],
  [ErrorCode.UNSUPPORTED_OPERATION, networkError],
  [ErrorCode.NEED_MEMBERSHIP_CERTIFICATE, networkError],
  [ErrorCode.NETWORK_ACCESS_DENIED, networkError],
  [ErrorCode.NETWORK_AUTHENTICATION_REQUIRED, networkError],
  [ErrorCode.UNWANTED_MULTICAST, record({ networkId: u64, group })],
]);

/** An acknowledgement of a configuration. */
export const CONFIG_ACKNOWLEDGEMENT = record({ networkId: u64, updateId: u64 });
