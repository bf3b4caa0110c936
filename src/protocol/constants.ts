/**
 * Numbers of the protocol, with their units. Facts: vl1-packets.md §1–§3, vl1-behaviour.md §1,
 * vl1-identity-crypto.md §4.
 */

/** The protocol version we announce: 12 means that suite 3 (AES-GMAC-SIV) works in both directions. */
export const PROTOCOL_VERSION = 12;
/** Older peers are refused. */
export const MIN_PROTOCOL_VERSION = 4;
/** Peers below this understand no ECHO and get no port in OK(HELLO). */
export const PROTOCOL_VERSION_ECHO = 5;
/** Peers from this version on are sent suite 3. */
export const PROTOCOL_VERSION_AES = 12;
/** The software version announced in HELLO: clients and tools treat us as this release of the reference. */
export const VERSION_MAJOR = 1;
export const VERSION_MINOR = 14;
export const VERSION_REVISION = 1;

export const DEFAULT_PORT = 9993;
export const DEFAULT_PHYSICAL_MTU_BYTES = 1432;
export const MIN_PHYSICAL_MTU_BYTES = 1400;
export const MAX_PHYSICAL_MTU_BYTES = 10324;
export const MAX_FRAGMENTS = 7;
export const MAX_PACKET_BYTES = MAX_FRAGMENTS * DEFAULT_PHYSICAL_MTU_BYTES;
export const PACKET_HEADER_BYTES = 28;
export const FRAGMENT_HEADER_BYTES = 16;
export const MIN_FRAGMENT_BYTES = 17;
/** Relays forward only while hops are below this. */
export const RELAY_MAX_HOPS = 3;

export const PING_CHECK_INTERVAL_MS = 5000;
export const HOUSEKEEPING_INTERVAL_MS = 30_000;
export const PATH_HEARTBEAT_MS = 14_000;
export const PATH_ALIVE_MS = 19_000;
export const HELLO_INTERVAL_MS = 60_000;
export const PATH_EXPIRATION_MS = 243_000;
export const PEER_ACTIVITY_TIMEOUT_MS = 500_000;
export const MAX_PATHS_PER_PEER = 64;
export const WHOIS_RETRY_MS = 500;
export const QUEUE_LIFETIME_MS = 5000;
export const QUEUE_ENTRIES = 32;
export const UNITE_INTERVAL_MS = 30_000;
export const SURFACE_TIMEOUT_MS = 600_000;
export const MULTICAST_LIKE_EXPIRE_MS = 600_000;

/** Id of the public planet, in which official clients are born (vl1-behaviour.md §6.1). */
export const PUBLIC_PLANET_ID = 0x08eac90an;
