/**
 * Asking controllers for configurations, and taking what they answer. Facts: vl2-networks.md §3, §4, §6.
 *
 * Ours: a request that nobody answers is repeated after 1.2 s and 2.4 s before it falls into the reference's step of
 * 5 s (controllers ignore what comes within 1 s); a refusal is asked about again every 5 s, as there.
 */
import { adHocConfig } from "../network/adhoc.ts";
import { decodeNetworkConfigDictionary, encodeNetworkConfigDictionary } from "../network/config.ts";
import { isAdHoc } from "../network/network-id.ts";
import { encodeRequestMetadata, type RequestMetadata } from "../network/request-metadata.ts";
import type { Node } from "../node/node.ts";
import type { Millis } from "../node/ports.ts";
import type { ErrorHandler, Handler, OkHandler, Request } from "../node/request.ts";
import { PING_CHECK_INTERVAL_MS } from "../protocol/constants.ts";
import { Dictionary } from "../protocol/dictionary.ts";
import { decodeNetworkError, type ErrorReply } from "../protocol/messages/error.ts";
import { encodeConfigAcknowledgement } from "../protocol/messages/network-config.ts";
import { encodeNetworkConfigRequest } from "../protocol/messages/network-config-request.ts";
import { encodeOk } from "../protocol/messages/ok.ts";
import { ErrorCode, Verb } from "../protocol/verbs.ts";
import type { Network, NetworkFailure } from "./network.ts";
import type { ParkedPackets } from "./parked.ts";
import type { LeafPorts } from "./ports.ts";
import type { LeafStatistics } from "./statistics.ts";

/** A configuration is asked for again this often (vl1-behaviour.md §1). */
const REFRESH_INTERVAL_MS = 60_000;
const LOW_BANDWIDTH_REFRESH_FACTOR = 64;
/** After so many ms without an answer the request is repeated, once each. */
const EARLY_REPEATS_MS = [1200, 2400];
const MAX_URL_BYTES = 2048;

export interface ConfigClientParts {
  readonly node: Node;
  readonly networks: ReadonlyMap<bigint, Network>;
  readonly parked: ParkedPackets;
  readonly ports: LeafPorts;
  readonly statistics: LeafStatistics;
  readonly metadata: RequestMetadata;
  readonly lowBandwidth: boolean;
}

export class ConfigClient {
  readonly #parts: ConfigClientParts;
  readonly #refreshMs: number;

  constructor(parts: ConfigClientParts) {
    this.#parts = parts;
    this.#refreshMs = REFRESH_INTERVAL_MS * (parts.lowBandwidth ? LOW_BANDWIDTH_REFRESH_FACTOR : 1);
  }

  /** Sends what is due for one network. */
  tick(network: Network, now: Millis): void {
    if (now < network.nextRequest) return;
    if (network.config !== null && now - network.confirmedAt < this.#refreshMs) {
      network.nextRequest = network.confirmedAt + this.#refreshMs;
      return;
    }
    this.request(network, now);
  }

  /** Asks now, whatever is due. */
  request(network: Network, now: Millis): void {
    const repeat =
      network.config === null && network.failure === null ? EARLY_REPEATS_MS[network.unanswered] : undefined;
    network.nextRequest = now + (repeat ?? PING_CHECK_INTERVAL_MS);
    network.unanswered++;
    if (isAdHoc(network.id)) return this.#makeUp(network, now);
    const { config } = network;
    const { node, statistics, metadata } = this.#parts;
    statistics.configRequests++;
    const payload = encodeNetworkConfigRequest({
      networkId: network.id,
      metadata: encodeRequestMetadata({ ...metadata, credential: network.joinCredential }),
      revision: config?.revision ?? 0n,
      timestamp: config?.timestamp ?? 0n,
    });
    node.send(network.controller, Verb.NETWORK_CONFIG_REQUEST, payload, now);
  }

  /** NETWORK_CONFIG: pushed by the controller, or passed on by a member. */
  readonly handleConfig: Handler = (_node, request) => this.#chunk(request, request.payload, true);

  /** OK(NETWORK_CONFIG_REQUEST). */
  readonly handleOk: OkHandler = (_node, request, body) => this.#chunk(request, body, false);

  readonly handleError: ErrorHandler = (_node, request, error) => {
    const failure = failureOf(error);
    if (failure === null) return;
    const decoded = decodeNetworkError(error.body);
    if (!decoded.ok) return;
    const network = this.#parts.networks.get(decoded.value.networkId);
    if (network === undefined || request.peer.address !== network.controller) return;
    network.authenticationUrl = failure === "AUTHENTICATION_REQUIRED" ? urlOf(decoded.value.data) : "";
    network.unanswered = EARLY_REPEATS_MS.length;
    if (network.failure === failure) return;
    network.failure = failure;
    this.#parts.ports.events({ type: "status", networkId: network.id, status: network.status });
  };

  /** Uses a dictionary that was checked, or kept on disk. False if it is not for us or makes no sense. */
  apply(network: Network, dictionary: Uint8Array, now: Millis): boolean {
    const { node, statistics, ports } = this.#parts;
    const decoded = decodeNetworkConfigDictionary(dictionary);
    const config = decoded.ok ? decoded.value : null;
    if (config === null || config.networkId !== network.id || config.issuedTo !== node.identity.address) {
      statistics.configsRefused++;
      return false;
    }
    network.unanswered = 0;
    network.confirmedAt = now;
    if (network.dictionary !== null && equal(network.dictionary, dictionary)) return true;
    statistics.configsApplied++;
    network.failure = null;
    network.authenticationUrl = "";
    network.apply(config, dictionary, now);
    ports.events({ type: "configured", networkId: network.id, dictionary });
    return true;
  }

  #makeUp(network: Network, now: Millis): void {
    const made = adHocConfig(network.id, this.#parts.node.identity.address, now);
    if (made === "not_found") {
      if (network.failure === made.toUpperCase()) return;
      network.failure = "NOT_FOUND";
      this.#parts.ports.events({ type: "status", networkId: network.id, status: network.status });
    } else if (made !== null) this.apply(network, encodeNetworkConfigDictionary(made), now);
  }

  #chunk(request: Request, bytes: Uint8Array, pushed: boolean): boolean {
    const { node, networks, parked, statistics } = this.#parts;
    const networkId = bytes.length < 8 ? null : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
    const network = networkId === null ? undefined : networks.get(networkId);
    if (network === undefined) return true;
    const { peer, now } = request;
    const controller = network.issuers((address) => node.identityOf(address))(network.controller);
    if (controller === null) node.whois.ask(network.controller, now);
    const result = network.assembly.receive(bytes, peer.address, controller);
    switch (result.kind) {
      case "malformed":
        node.drop("malformed");
        return false;
      case "deferred":
        parked.add(request);
        return false;
      case "refused":
        statistics.configsRefused++;
        return true;
      case "ignored":
        return true;
      default:
        break;
    }
    if (result.forward !== null) this.#passOn(network, result.forward, peer.address, now);
    if (result.kind !== "complete") return true;
    const understood = this.apply(network, result.dictionary, now);
    if (pushed && understood && result.updateId !== null) {
      const body = encodeConfigAcknowledgement({ networkId: network.id, updateId: result.updateId });
      node.send(peer.address, Verb.OK, encodeOk(Verb.ECHO, request.packetId, body), now);
    }
    return true;
  }

  /** A controller in a hurry: members hand its configuration on. */
  #passOn(network: Network, chunk: Uint8Array, from: number, now: Millis): void {
    for (const address of network.members.addresses()) {
      if (address === from || address === network.controller) continue;
      this.#parts.node.send(address, Verb.NETWORK_CONFIG, chunk, now);
    }
  }
}

/** Codes 3 and 5 count only in answer to a request, 7 and 9 always. */
function failureOf({ code, inReVerb }: ErrorReply): NetworkFailure | null {
  switch (code) {
    case ErrorCode.OBJ_NOT_FOUND:
    case ErrorCode.UNSUPPORTED_OPERATION:
      return inReVerb === Verb.NETWORK_CONFIG_REQUEST ? "NOT_FOUND" : null;
    case ErrorCode.NETWORK_ACCESS_DENIED:
      return "ACCESS_DENIED";
    case ErrorCode.NETWORK_AUTHENTICATION_REQUIRED:
      return "AUTHENTICATION_REQUIRED";
    default:
      return null;
  }
}

function urlOf(data: Uint8Array | null): string {
  return data === null ? "" : (new Dictionary(data).text("aU", MAX_URL_BYTES) ?? "");
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
