/**
 * The small values that requests and answers are made of. Each description is also what an error tells the caller to
 * write, so it completes "write …".
 */
import { z } from "zod";
import { isReservedAddress, parseAddress } from "../../protocol/address.ts";
import { formatIp, parseIp, parsePrefix } from "../../protocol/inet-address.ts";

export const MAX_NAME_BYTES = 127;
export const MAX_DESCRIPTION_LENGTH = 1024;
export const MAX_PAGE = 1000;
export const DEFAULT_PAGE = 100;

const NETWORK_ID = /^[0-9a-fA-F]{16}$/;

/** Sixteen hex digits of either case; comes out in lower case. */
export const networkId = z
  .string()
  .regex(NETWORK_ID)
  .toLowerCase()
  .meta({ description: "a network id of 16 hex digits", example: "8056c2e21c000001" });

/** Ten hex digits of either case; comes out in lower case. */
export const nodeAddress = z
  .string()
  .regex(/^[0-9a-fA-F]{10}$/)
  .refine((text) => !isReservedAddress(parseAddress(text) ?? 0))
  .toLowerCase()
  .meta({ description: "a node address of 10 hex digits", example: "8056c2e21c" });

/** The public part of a token. */
export const tokenId = z
  .string()
  .regex(/^[0-9A-Za-z]{10}$/)
  .meta({ description: "a token id of 10 letters and digits", example: "k3Zr0aPq9X" });

export const name = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= MAX_NAME_BYTES)
  .meta({ description: `a text of at most ${MAX_NAME_BYTES} bytes`, example: "office" });

export const description = z
  .string()
  .max(MAX_DESCRIPTION_LENGTH)
  .meta({ description: `a text of at most ${MAX_DESCRIPTION_LENGTH} characters`, example: "Everybody in Berlin" });

function canonicalIp(text: string): string {
  const ip = parseIp(text);
  return ip === null ? text : formatIp(ip);
}

const isIp = (bytes?: number) => (text: string) => {
  const ip = parseIp(text);
  return ip !== null && (bytes === undefined || ip.length === bytes);
};

/** Any of them comes out in its canonical spelling. */
export const ip = z
  .string()
  .refine(isIp())
  .overwrite(canonicalIp)
  .meta({ description: "an IPv4 or IPv6 address without a prefix length", example: "10.147.17.5" });
export const ipv4 = z
  .string()
  .refine(isIp(4))
  .overwrite(canonicalIp)
  .meta({ description: "an IPv4 address without a prefix length", example: "10.147.17.1" });
export const ipv6 = z
  .string()
  .refine(isIp(16))
  .overwrite(canonicalIp)
  .meta({ description: "an IPv6 address without a prefix length", example: "fd00:1234::1" });

/** `ip/bits`; whether host bits are set is checked where it matters. */
export const prefix = z
  .string()
  .refine((text) => parsePrefix(text) !== null)
  .meta({ description: "a network ip/bits", example: "10.147.17.0/24" });

/** Milliseconds since the epoch. */
export const timestamp = z
  .number()
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .meta({ description: "a time in milliseconds since 1970", example: 1795396713176 });

/** A decimal number that may need 64 bits, hence a text. */
export const decimal64 = z
  .string()
  .regex(/^[0-9]{1,20}$/)
  .meta({ description: "a whole number as text", example: "7" });

export const flag = z.boolean().meta({ description: "true or false", example: true });

/** A whole number from `low` to `high`. */
export function integer(low: number, high: number, example: number) {
  return z
    .number()
    .int()
    .min(low)
    .max(high)
    .meta({ description: `a whole number from ${low} to ${high}`, example });
}

export const u32 = integer(0, 0xffff_ffff, 100);

const booleanParameter = z
  .enum(["true", "false"])
  .transform((text) => text === "true")
  .meta({ description: "true or false", example: "true" });

/** A yes or no in a query string. */
export const queryFlag = booleanParameter.optional();

export const queryTime = z
  .string()
  .regex(/^[0-9]{1,16}$/)
  .transform(Number)
  .meta({ description: "a time in milliseconds since 1970", example: "1795396713176" })
  .optional();

/** Which part of a list is wanted. */
export const paging = {
  limit: z
    .string()
    .regex(/^(?:[1-9][0-9]{0,2}|1000)$/)
    .transform(Number)
    .meta({ description: `a whole number from 1 to ${MAX_PAGE}`, example: "100" })
    .optional(),
  cursor: z.string().min(1).max(1024).meta({ description: "what `next` said on the page before" }).optional(),
};

export const search = z
  .string()
  .max(256)
  .meta({ description: "a part of what is looked for, at most 256 characters", example: "office" })
  .optional();

export const direction = z
  .enum(["ascending", "descending"])
  .meta({ description: "ascending or descending" })
  .optional();

/** A part of a list; `next` is the cursor of the part behind it. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    items: z.array(item),
    next: z.string().nullable().meta({ description: "the cursor of the next page, null on the last one" }),
    total: integer(0, Number.MAX_SAFE_INTEGER, 3).meta({ description: "the number of items on all pages" }),
  });
}

const field = z.strictObject({ path: z.string(), message: z.string(), expected: z.string() });

/** See errors.ts. */
export const errorBody = z
  .strictObject({ error: z.strictObject({ code: z.string(), message: z.string(), fields: z.array(field) }) })
  .meta({ id: "Error", description: "why a request was not done" });
