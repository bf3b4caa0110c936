/** Verb numbers and their names in metrics. Facts: vl1-packets.md §5, metrics.md (packet_type values). */

export const Verb = {
  NOP: 0,
  HELLO: 1,
  ERROR: 2,
  OK: 3,
  WHOIS: 4,
  RENDEZVOUS: 5,
  FRAME: 6,
  EXT_FRAME: 7,
  ECHO: 8,
  MULTICAST_LIKE: 9,
  NETWORK_CREDENTIALS: 10,
  NETWORK_CONFIG_REQUEST: 11,
  NETWORK_CONFIG: 12,
  MULTICAST_GATHER: 13,
  MULTICAST_FRAME: 14,
  PUSH_DIRECT_PATHS: 16,
  ACK: 18,
  QOS_MEASUREMENT: 19,
  USER_MESSAGE: 20,
  REMOTE_TRACE: 21,
  PATH_NEGOTIATION_REQUEST: 22,
} as const;
export type Verb = (typeof Verb)[keyof typeof Verb];

/** Name of each verb as the reference's `packet_type` label writes it; undefined for unassigned numbers. */
export const VERB_NAMES: readonly (string | undefined)[] = [
  "nop",
  "hello",
  "error",
  "ok",
  "whois",
  "rendezvous",
  "frame",
  "ext_frame",
  "echo",
  "multicast_like",
  "network_credentials",
  "network_config_request",
  "network_config",
  "multicast_gather",
  "multicast_frame",
  undefined,
  "push_direct_paths",
  undefined,
  "ack",
  "qos",
  "user_message",
  "remote_trace",
  "path_negotiation_request",
];

/** Error codes of the ERROR verb (vl1-packets.md §5.3). */
export const ErrorCode = {
  NONE: 0,
  INVALID_REQUEST: 1,
  BAD_PROTOCOL_VERSION: 2,
  OBJ_NOT_FOUND: 3,
  IDENTITY_COLLISION: 4,
  UNSUPPORTED_OPERATION: 5,
  NEED_MEMBERSHIP_CERTIFICATE: 6,
  NETWORK_ACCESS_DENIED: 7,
  UNWANTED_MULTICAST: 8,
  NETWORK_AUTHENTICATION_REQUIRED: 9,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];
