/**
 * Takes secrets out of what is about to be logged: by the name of a field, by the type of a value, and, as the last
 * line of defence, by the shape of text. Everything is bounded, so that logging a huge object stays cheap.
 */
import { Identity } from "../identity/identity.ts";
import { formatAddress } from "../protocol/address.ts";

/** What stands in a log line in place of a secret. */
export const REDACTED = "[redacted]";

const MAX_DEPTH = 6;
const MAX_ENTRIES = 100;
const SECRET_FIELD = /secret|token|passw|authorization|cookie|private_?key|^(x-zt1-)?auth$/i;

/** Ten digits, type 0, public key; the group that follows is the secret key (vl1-identity-crypto.md §2). */
const IDENTITY_SECRET_TEXT = /\b([0-9a-fA-F]{10}:0:[0-9a-fA-F]{128}):[0-9a-fA-F]{128}/g;
/** The service API takes its token in the query too (local-api.md), so addresses of requests carry it. */
const AUTH_QUERY_TEXT = /([?&]auth=)[^&\s"']+/gi;
const BEARER_TEXT = /\b(bearer\s+)[^\s"',]+/gi;

/** True for names of fields whose values are never logged, whatever they hold. */
export function isSecretField(name: string): boolean {
  return SECRET_FIELD.test(name);
}

/** Blanks the secrets that can be known by their shape: secret identities, `?auth=…` and bearer tokens. */
export function redactText(text: string): string {
  return text
    .replace(IDENTITY_SECRET_TEXT, `$1:${REDACTED}`)
    .replace(AUTH_QUERY_TEXT, `$1${REDACTED}`)
    .replace(BEARER_TEXT, `$1${REDACTED}`);
}

/**
 * A copy of `fields` that is safe to print: secret fields are blanked at any depth, identities become their address,
 * byte arrays become their length (they may be keys), bigints become text. Deeper than 6 levels or wider than 100
 * entries is cut, which also ends cycles.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields).slice(0, MAX_ENTRIES)) {
    safe[name] = isSecretField(name) ? REDACTED : redactValue(value, depth + 1);
  }
  return safe;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Identity) return formatAddress(value.address);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return value;
  if (depth >= MAX_DEPTH) return "[cut]";
  if (value instanceof Error) return redactError(value, depth);
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item) => redactValue(item, depth + 1));
  if (value instanceof Map || value instanceof Set) return `[${value.size} entries]`;
  return redactObject(value, depth);
}

/** Own fields of an error (code, syscall, file, line …) are kept beside its name, message and stack. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return {
    ...redactObject(error, depth),
    type: name,
    message: redactText(message),
    ...(stack === undefined ? {} : { stack: redactText(stack) }),
    ...(cause === undefined ? {} : { cause: redactValue(cause, depth + 1) }),
  };
}
