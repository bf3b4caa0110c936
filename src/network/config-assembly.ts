/**
 * Putting a network's configuration together from its signed slices. Facts: vl2-networks.md §4.1, §4.2.
 *
 * Slices of up to three updates are held at once, by update id; the update that began longest ago makes room. Every
 * slice is verified by itself. Ours: what counts as complete is that every byte was covered (the reference counts
 * bytes), and slices of one update must agree on the total.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import {
  CONFIG_CHUNK_FLAG_PROPAGATE,
  type ConfigChunk,
  decodeNetworkConfig,
} from "../protocol/messages/network-config.ts";
import { controllerOf, type NetworkId } from "./network-id.ts";

/** Updates under way, and slices of one (vl2-networks.md §5.1). */
const MAX_ASSEMBLIES = 3;
const MAX_CHUNKS = 474;
/** A slice is told from others of its update by the first bytes of its signature. */
const CHUNK_ID_BYTES = 16;

interface Assembly {
  readonly updateId: bigint;
  readonly buffer: Uint8Array;
  readonly chunks: Set<string>;
  /** Covered ranges [start, end), in order, not touching. */
  covered: (readonly [number, number])[];
  /** It was handed out: later slices are repetitions. */
  done: boolean;
}

/** What came of a slice. `forward`: bytes that the controller wants passed on to other members, or null. */
export type AssemblyResult =
  | { readonly kind: "malformed" }
  | { readonly kind: "refused" }
  | { readonly kind: "ignored" }
  /** The controller's identity has to be asked for first. */
  | { readonly kind: "deferred" }
  | { readonly kind: "partial"; readonly forward: Uint8Array | null }
  | {
      readonly kind: "complete";
      readonly forward: Uint8Array | null;
      /** The whole dictionary; the receiver's. */
      readonly dictionary: Uint8Array;
      /** Null in the legacy form. */
      readonly updateId: bigint | null;
    };

const MALFORMED: AssemblyResult = { kind: "malformed" };
const REFUSED: AssemblyResult = { kind: "refused" };
const IGNORED: AssemblyResult = { kind: "ignored" };
const DEFERRED: AssemblyResult = { kind: "deferred" };

export class ConfigAssembler {
  readonly #networkId: NetworkId;
  readonly #controller: Address;
  /** Oldest first. */
  #assemblies: Assembly[] = [];

  constructor(networkId: NetworkId) {
    this.#networkId = networkId;
    this.#controller = controllerOf(networkId);
  }

  /**
   * One slice: the payload of NETWORK_CONFIG, or the body of OK(NETWORK_CONFIG_REQUEST). `controller` is the
   * controller's identity if it is known. Who sent a signed slice does not matter; the legacy form, a whole
   * configuration without signature, is believed only from the controller.
   */
  receive(bytes: Uint8Array, from: Address, controller: Identity | null): AssemblyResult {
    const decoded = decodeNetworkConfig(bytes);
    if (!decoded.ok) return MALFORMED;
    const { chunk, signed } = decoded.value;
    if (chunk.networkId !== this.#networkId) return REFUSED;
    if (chunk.assembly === null || chunk.signature === null) {
      if (from !== this.#controller) return REFUSED;
      return { kind: "complete", forward: null, dictionary: new Uint8Array(chunk.slice), updateId: null };
    }
    const { updateId, flags } = chunk.assembly;
    const chunkId = chunkIdOf(chunk.signature);
    const known = this.#assemblies.find((assembly) => assembly.updateId === updateId);
    if (known !== undefined && (known.done || known.chunks.has(chunkId))) return IGNORED;
    if (controller === null) return DEFERRED;
    if (!controller.verify(signed, chunk.signature)) return REFUSED;
    const assembly = known ?? this.#begin(updateId, chunk.assembly.totalLength);
    if (assembly.buffer.length !== chunk.assembly.totalLength || assembly.chunks.size >= MAX_CHUNKS) return REFUSED;
    assembly.chunks.add(chunkId);
    cover(assembly, chunk, chunk.assembly.offset);
    const forward = (flags & CONFIG_CHUNK_FLAG_PROPAGATE) !== 0 ? new Uint8Array(bytes) : null;
    if (!isComplete(assembly)) return { kind: "partial", forward };
    assembly.done = true;
    return { kind: "complete", forward, dictionary: new Uint8Array(assembly.buffer), updateId };
  }

  #begin(updateId: bigint, totalLength: number): Assembly {
    const assembly = {
      updateId,
      buffer: new Uint8Array(totalLength),
      chunks: new Set<string>(),
      covered: [],
      done: false,
    };
    if (this.#assemblies.length >= MAX_ASSEMBLIES) this.#assemblies.shift();
    this.#assemblies.push(assembly);
    return assembly;
  }
}

function chunkIdOf(signature: Uint8Array): string {
  return signature.subarray(0, CHUNK_ID_BYTES).join();
}

function cover(assembly: Assembly, { slice }: ConfigChunk, offset: number): void {
  assembly.buffer.set(slice, offset);
  if (slice.length === 0) return;
  const merged: (readonly [number, number])[] = [];
  let [start, end] = [offset, offset + slice.length];
  for (const range of assembly.covered) {
    if (range[1] < start || range[0] > end) merged.push(range);
    else [start, end] = [Math.min(start, range[0]), Math.max(end, range[1])];
  }
  merged.push([start, end]);
  assembly.covered = merged.sort((a, b) => a[0] - b[0]);
}

function isComplete({ buffer, covered }: Assembly): boolean {
  if (buffer.length === 0) return true;
  return covered.length === 1 && covered[0]![0] === 0 && covered[0]![1] === buffer.length;
}
