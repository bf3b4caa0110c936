/** How much of anything a network configuration holds. Facts: vl2-networks.md §1.5, §5.1. */

export const DEFAULT_MTU = 2800;
export const MIN_MTU = 1280;
export const MAX_MTU = 10000;

export const MAX_RULES = 1024;
export const MAX_CAPABILITIES = 128;
export const MAX_TAGS = 128;
export const MAX_OWNERSHIPS = 4;
export const MAX_STATIC_IPS = 32;
export const MAX_ROUTES = 128;
export const MAX_SPECIALISTS = 256;
export const MAX_DNS_SERVERS = 4;
/** In bytes of UTF-8, as the next one. */
export const MAX_DNS_DOMAIN_BYTES = 127;
export const MAX_NAME_BYTES = 127;

/** The MTU nearest to `mtu` (bytes of Ethernet payload) that is allowed. */
export function clampMtu(mtu: number): number {
  return Math.min(Math.max(mtu, MIN_MTU), MAX_MTU);
}
