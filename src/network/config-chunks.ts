/**
 * Cuts a configuration's dictionary into signed slices. Facts: vl2-networks.md §4.1 (the layout is drawn in
 * `protocol/messages/network-config.ts`). The other way round is `config-assembly.ts`.
 */
import type { Identity } from "../identity/identity.ts";
import {
  CONFIG_CAPACITY_BYTES,
  encodeConfigChunkToSign,
  encodeNetworkConfig,
  MAX_CONFIG_SLICE_BYTES,
} from "../protocol/messages/network-config.ts";
import type { NetworkId } from "./network-id.ts";

/**
 * The payloads of NETWORK_CONFIG, or bodies of OK(NETWORK_CONFIG_REQUEST), that bring `dictionary` to its member, in
 * order. One signature each. `updateId` is random, not 0, and new for each configuration. Throws RangeError for a
 * dictionary that no member takes (empty, or of 484520 bytes and more), and if `controller` has no secret.
 */
export function signConfigChunks(
  networkId: NetworkId,
  dictionary: Uint8Array,
  updateId: bigint,
  controller: Identity,
): Uint8Array[] {
  const totalLength = dictionary.length;
  if (totalLength === 0 || totalLength >= CONFIG_CAPACITY_BYTES) {
    throw new RangeError(`a configuration of ${totalLength} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for (let offset = 0; offset < totalLength; offset += MAX_CONFIG_SLICE_BYTES) {
    const slice = dictionary.subarray(offset, offset + MAX_CONFIG_SLICE_BYTES);
    const assembly = { flags: 0, updateId, totalLength, offset };
    const signature = controller.sign(encodeConfigChunkToSign(networkId, slice, assembly));
    chunks.push(encodeNetworkConfig({ networkId, slice, assembly, signature }));
  }
  return chunks;
}
