/**
 * NETWORK_CREDENTIALS (verb 10): certificates by which a member proves its place in a network. No reply.
 * Facts: vl1-packets.md §5.11, vl2-credentials.md §7. Taken apart here, understood in `network/credentials/`.
 *
 * | offset | size | field | meaning |
 * |---|---|---|---|
 * | 0  | … | memberships | certificates of membership; each begins with 1 |
 * | +0 | 1 | 0 | ends them |
 * | +1 | 2 + … | capabilities | count, then these |
 * | +0 | 2 + … | tags | count, then these |
 * | +0 | 2 + … | revocations | count, then these |
 * | +0 | 2 + … | ownerships | count, then certificates of ownership |
 *
 * The packet may end behind the 0 or behind any list.
 */
import { Reader, Writer } from "../bytes.ts";
import {
  readCapability,
  readMembershipCertificate,
  readOwnershipCertificate,
  readRevocation,
  readTag,
} from "../credential-bytes.ts";
import { accept, type Refusal, refuse, type Verdict } from "../errors.ts";

const MAX_LIST_LENGTH = 0xffff;

/** Each credential as its own bytes; views when decoded. */
export interface NetworkCredentials {
  readonly memberships: readonly Uint8Array[];
  readonly capabilities: readonly Uint8Array[];
  readonly tags: readonly Uint8Array[];
  readonly revocations: readonly Uint8Array[];
  readonly ownerships: readonly Uint8Array[];
}

/** Writes all four lists, empty or not, as senders do. Throws RangeError for a list that 16 bits do not count. */
export function encodeNetworkCredentials(credentials: NetworkCredentials): Uint8Array {
  const writer = new Writer(1024);
  for (const membership of credentials.memberships) writer.bytes(membership);
  writer.u8(0);
  for (const list of [credentials.capabilities, credentials.tags, credentials.revocations, credentials.ownerships]) {
    if (list.length > MAX_LIST_LENGTH) throw new RangeError(`${list.length} credentials in one list`);
    writer.u16(list.length);
    for (const credential of list) writer.bytes(credential);
  }
  return writer.finish();
}

/**
 * Takes a push apart. A malformed credential ends the decoding but does not undo what came before it
 * (vl2-credentials.md §1): such a push is accepted with `refusal` saying what was wrong and where.
 */
export function decodeNetworkCredentials(
  payload: Uint8Array,
): Verdict<{ credentials: NetworkCredentials; refusal: Refusal | null }> {
  const reader = new Reader(payload);
  const memberships: Uint8Array[] = [];
  const lists: [Uint8Array[], (reader: Reader) => Uint8Array | undefined][] = [
    [[], readCapability],
    [[], readTag],
    [[], readRevocation],
    [[], readOwnershipCertificate],
  ];
  let refusal = readMemberships(reader, payload, memberships);
  for (const [list, read] of lists) {
    if (refusal !== null || reader.remaining === 0) break;
    refusal = readList(reader, list, read, reader.u16());
  }
  const [capabilities, tags, revocations, ownerships] = lists.map(([list]) => list);
  return accept({
    credentials: {
      memberships,
      capabilities: capabilities!,
      tags: tags!,
      revocations: revocations!,
      ownerships: ownerships!,
    },
    refusal,
  });
}

function readMemberships(reader: Reader, payload: Uint8Array, into: Uint8Array[]): Refusal | null {
  while (reader.remaining > 0 && payload[reader.offset] !== 0) {
    const refusal = readOne(reader, into, readMembershipCertificate);
    if (refusal !== null) return refusal;
  }
  reader.skip(1);
  return reader.failed ? reader.refusal() : null;
}

function readList(
  reader: Reader,
  into: Uint8Array[],
  read: (reader: Reader) => Uint8Array | undefined,
  count: number,
): Refusal | null {
  let refusal = reader.failed ? reader.refusal() : null;
  for (let left = count; left > 0 && refusal === null; left--) refusal = readOne(reader, into, read);
  return refusal;
}

function readOne(reader: Reader, into: Uint8Array[], read: (reader: Reader) => Uint8Array | undefined): Refusal | null {
  const start = reader.offset;
  const credential = read(reader);
  if (reader.failed) return reader.refusal();
  if (credential === undefined) return refuse("bad_value", start);
  into.push(credential);
  return null;
}
