/**
 * The recorded traffic of reference nodes (fixtures/captures), with the keys of everybody who takes part: each
 * datagram beside the line that says what was seen in it.
 */
import assert from "node:assert/strict";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import type { Address } from "../../src/protocol/address.ts";
import { PeerKey } from "../../src/protocol/armor.ts";
import { formatEndpoint } from "../../src/protocol/inet-address.ts";
import { type CapturedDatagram, readPcap } from "../support/pcap.ts";
import { fixtureBytes, fixtureText } from "./fixtures.ts";

/** One line of a *.decoded.jsonl: what the recorder said about a datagram or a reassembled packet. */
export interface DecodedLine {
  readonly no: number;
  readonly from: string;
  readonly to: string;
  readonly len: number;
  readonly dst?: string;
  readonly src?: string;
  readonly hops?: number;
  readonly cipher?: number;
  readonly id?: string;
  readonly macOk?: boolean;
  /** The sender's packet id before suite 3 replaced it. */
  readonly iv?: string;
  readonly verb?: string;
  readonly compressed?: boolean;
  readonly fragment?: string;
  readonly reassembled?: boolean;
  readonly note?: string;
}

export interface CaptureFile {
  readonly name: string;
  readonly datagrams: readonly CapturedDatagram[];
  readonly lines: readonly DecodedLine[];
  readonly participants: readonly Identity[];
  /** The key two participants share. */
  keyOf(a: Address, b: Address): PeerKey;
}

interface CapturesIndex {
  captures: {
    files: { pcap: string; decoded: string; packets: number }[];
    participants: { identity_secret: string }[];
  }[];
}

const index = JSON.parse(fixtureText("captures/captures.json")) as CapturesIndex;

/** Finds shared keys among identities with secrets, each computed once. */
export function keyRing(identities: readonly Identity[]): (a: Address, b: Address) => PeerKey {
  const byAddress = new Map(identities.map((identity) => [identity.address, identity]));
  const keys = new Map<string, PeerKey>();
  return (a, b) => {
    const pair = a < b ? `${a} ${b}` : `${b} ${a}`;
    let key = keys.get(pair);
    if (key === undefined) {
      const [one, other] = [byAddress.get(a), byAddress.get(b)];
      assert.ok(one && other, `no identity for ${a.toString(16)} or ${b.toString(16)}`);
      key = new PeerKey(one.agree(other));
      keys.set(pair, key);
    }
    return key;
  };
}

/** Every capture file there is. */
export function captureFiles(): CaptureFile[] {
  return index.captures.flatMap(({ files, participants }) => {
    const identities = participants.map(({ identity_secret }) => parseIdentity(identity_secret)!);
    const keyOf = keyRing(identities);
    return files.map(({ pcap, decoded, packets }) => {
      const datagrams = [...readPcap(fixtureBytes(`captures/${pcap}`))];
      const lines = fixtureText(`captures/${decoded}`).trimEnd().split("\n");
      assert.equal(lines.length, packets, `${decoded} has its datagrams and its reassembled packets`);
      return {
        name: pcap,
        datagrams,
        lines: lines.map((line) => JSON.parse(line) as DecodedLine),
        participants: identities,
        keyOf,
      };
    });
  });
}

/** `ip/port > ip/port`: a flow, within which the pieces of one copy of a packet travel. */
export function flowOf({ from, to }: CapturedDatagram): string {
  return `${formatEndpoint(from)} > ${formatEndpoint(to)}`;
}
