/**
 * Arguments that name an identity, as `zerotier-idtool` takes them: the text itself or a file that holds it
 * (cli.md §3). Also the reading of whole files for commands, where "unreadable" is an answer and not an exception.
 */
import { readFileSync, type Stats, statSync } from "node:fs";
import { type Identity, parseIdentity } from "../identity/identity.ts";
import { type CliContext, fail } from "./context.ts";

const LITERAL_MIN_CHARS = 33;
const ADDRESS_CHARS = 10;

/** The bytes of a file, or null if it cannot be read. */
export function readFileOrNull(file: string): Uint8Array | null {
  try {
    return readFileSync(file);
  } catch {
    return null;
  }
}

/** The text of a file, or null if it cannot be read. */
export function readTextOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** What the system knows about a path, or null if it is not there or cannot be asked about. */
export function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** The identity that an argument names, or null if it is neither an identity nor a readable file with one. */
export function findIdentity(argument: string): Identity | null {
  const literal = argument.length >= LITERAL_MIN_CHARS && argument[ADDRESS_CHARS] === ":";
  const text = literal ? argument : readTextOrNull(argument);
  return text === null ? null : parseIdentity(text.trim());
}

/** As `findIdentity`, but ends the command with the reference's words when there is none. */
export function requireIdentity(argument: string, context: CliContext): Identity {
  return findIdentity(argument) ?? fail(context, `Identity argument invalid or file unreadable: ${argument}`);
}
