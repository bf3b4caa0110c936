/** /bond and bonded peers, as the reference answered while it had a bond. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type ServiceApi, startServiceApi } from "../../src/http/service.ts";
import { formatIdentity } from "../../src/identity/identity.ts";
import type { LinkView, MtuResult, PathView, PeerView } from "../../src/node/queries.ts";
import { formatAddress, parseAddress } from "../../src/protocol/address.ts";
import { formatIp } from "../../src/protocol/inet-address.ts";
import { IDENTITIES } from "../support/constellation.ts";
import { ask } from "./api-client.ts";
import { identityOf, peerView, RecordedNode, type RecordedPath, type RecordedPeer } from "./recorded-node.ts";
import { recordedStatus } from "./recorded-status.ts";

const TOKENS = { auth: "abcdefghijklmnopqrstuvwx", metrics: "zyxwvutsrqponmlkjihgfedc" };
const AUTH = { "X-ZT1-Auth": TOKENS.auth };
/** Of a node that is in none of the lists of peers. */
const STATUS = { ...recordedStatus(), publicIdentity: formatIdentity(IDENTITIES[0]!) };

interface BondedPath extends RecordedPath {
  readonly ifname: string;
  readonly localPort: number;
  readonly latencyMean: number;
  readonly latencyVariance: number;
  readonly packetLossRatio: number;
  readonly relativeQuality: number;
  readonly assignedFlowCount: number;
  readonly givenLinkSpeed: number;
  readonly lastInAge: number;
  readonly lastOutAge: number;
  readonly eligible: number;
  readonly bonded: number;
}

interface BondedPeer extends RecordedPeer {
  readonly isBonded: boolean;
  readonly paths: BondedPath[];
  readonly bondingPolicyCode: number;
  readonly bondingPolicyStr: string;
  readonly numAliveLinks: number;
  readonly numTotalLinks: number;
  readonly failoverInterval: number;
  readonly upDelay: number;
  readonly downDelay: number;
  readonly packetsPerLink: number;
}

interface Exchange {
  readonly name: string;
  readonly request: { readonly method: string; readonly path: string };
  readonly response: { readonly status: number; readonly bodyText: string; readonly headers: Record<string, string> };
}

function exchangesOf(file: string): Exchange[] {
  const url = new URL(`../fixtures/vectors/api/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { exchanges: Exchange[] }).exchanges;
}

function linkView(path: BondedPath): LinkView {
  return {
    device: path.ifname,
    localPort: path.localPort,
    latencyMs: path.latencyMean,
    varianceMs: path.latencyVariance,
    lossRatio: path.packetLossRatio,
    quality: path.relativeQuality,
    flows: path.assignedFlowCount,
    capacity: path.givenLinkSpeed,
    lastInAge: path.lastInAge,
    lastOutAge: path.lastOutAge,
    eligible: path.eligible === 1,
    used: path.bonded === 1,
  };
}

function viewOf(peer: BondedPeer): PeerView {
  const plain = peerView(peer, identityOf(STATUS.publicIdentity));
  if (!peer.isBonded) return plain;
  const paths = plain.paths.map((path, index): PathView => ({ ...path, link: linkView(peer.paths[index]!) }));
  return {
    ...plain,
    paths,
    bond: {
      policyCode: peer.bondingPolicyCode,
      policy: peer.bondingPolicyStr,
      aliveLinks: peer.numAliveLinks,
      totalLinks: peer.numTotalLinks,
      failoverMs: peer.failoverInterval,
      upDelayMs: peer.upDelay,
      downDelayMs: peer.downDelay,
      packetsPerLink: peer.packetsPerLink,
    },
  };
}

/** As the node behind the recordings had it: one bond, one interface, one remote IP. */
const BONDED = { peer: "f3448767cd", device: "apiba", ip: "10.77.2.2" };

describe("recorded API exchanges of a node with a bond", () => {
  const node = new RecordedNode(STATUS);
  let service: ServiceApi;

  before(async () => {
    node.bonds = {
      rotate: (peer) => formatAddress(peer) === BONDED.peer,
      setMtu: (mtu, device, ip): MtuResult => {
        if (mtu < 68 || mtu > 65_535) return "unreasonable";
        return device === BONDED.device && formatIp(ip) === BONDED.ip ? "done" : "unknown";
      },
    };
    service = await startServiceApi({ port: 0, backend: node, tokens: TOKENS, allowManagementFrom: [] });
  });
  after(() => service.close());

  const recorded = [...exchangesOf("bond-active"), ...exchangesOf("bond-setmtu")];
  const unknownLink = exchangesOf("bond").filter(({ name }) => name === "setmtu unknown link");
  for (const { name, request, response } of [...recorded, ...unknownLink]) {
    test(`${name} is answered as recorded`, async () => {
      if (request.method === "GET") {
        const shown = JSON.parse(response.bodyText) as BondedPeer | BondedPeer[];
        node.peerViews = (Array.isArray(shown) ? shown : [shown]).map(viewOf);
      }
      const answer = await ask(service.port, request.path, { method: request.method, headers: AUTH });
      assert.equal(answer.status, response.status);
      assert.equal(answer.body, response.bodyText);
      assert.equal(answer.headers["content-type"], response.headers["Content-Type"]);
    });
  }

  test("a peer that is not bonded has no bond to show", async () => {
    node.peerViews = [
      { ...viewOf({ ...(JSON.parse(recorded[0]!.response.bodyText) as BondedPeer), isBonded: false }) },
    ];
    assert.equal(node.peerViews[0]!.address, parseAddress(BONDED.peer));
    const answer = await ask(service.port, `/bond/show/${BONDED.peer}`, { headers: AUTH });
    assert.deepEqual([answer.status, answer.body], [400, "{}"]);
  });
});
