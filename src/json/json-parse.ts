/**
 * A strict JSON reader. It exists beside `JSON.parse` for three reasons: its errors have the text that tools
 * written for the reference know (local-api.md §1), numbers can be kept exactly as written, and a key named
 * `__proto__` is harmless.
 */
import { ExactNumber, type JsonValue, newJsonObject } from "./json.ts";

/** Deeper nesting is refused: nobody's settings need it, and the reader is recursive. */
const MAX_DEPTH = 256;

/** Text that is not JSON. The message says where (line and column, counted from 1) and what was found. */
export class JsonSyntaxError extends Error {
  override readonly name = "JsonSyntaxError";
}

const LITERALS: readonly (readonly [string, boolean | null])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class JsonReader {
  readonly #text: string;
  readonly #exact: boolean;
  #at = 0;

  constructor(text: string, exact: boolean) {
    this.#text = text;
    this.#exact = exact;
  }

  document(): JsonValue {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#fail("value", `unexpected ${this.#here()}; expected end of input`);
    return value;
  }

  #fail(context: string, what: string, end = this.#at): never {
    const before = this.#text.slice(0, end + 1);
    const line = before.split("\n").length;
    const column = Math.max(1, before.length - (before.lastIndexOf("\n") + 1));
    throw new JsonSyntaxError(
      `[json.exception.parse_error.101] parse error at line ${line}, column ${column}: ` +
        `syntax error while parsing ${context} - ${what}`,
    );
  }

  #here(): string {
    return this.#at < this.#text.length ? `'${this.#text[this.#at]}'` : "end of input";
  }

  #space(): void {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #value(depth: number): JsonValue {
    this.#space();
    if (depth > MAX_DEPTH) this.#fail("value", "nested too deeply");
    const char = this.#text[this.#at];
    if (char === "{") return this.#object(depth);
    if (char === "[") return this.#array(depth);
    if (char === '"') return this.#string("value");
    if (char === "-" || (char !== undefined && char >= "0" && char <= "9")) return this.#number();
    for (const [literal, value] of LITERALS) if (char === literal[0]) return this.#literal(literal, value);
    if (char !== undefined && /[A-Za-z]/.test(char)) this.#fail("value", `invalid literal; last read: '${char}'`);
    return this.#fail("value", `unexpected ${this.#here()}; expected '[', '{', or a literal`);
  }

  #literal(literal: string, value: boolean | null): boolean | null {
    for (let i = 1; i < literal.length; i++) {
      if (this.#text[this.#at + i] === literal[i]) continue;
      this.#fail(
        "value",
        `invalid literal; last read: '${this.#text.slice(this.#at, this.#at + i + 1)}'`,
        this.#at + i,
      );
    }
    this.#at += literal.length;
    return value;
  }

  #number(): JsonValue {
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.#text)?.[0];
    if (text === undefined) return this.#fail("value", `invalid number; last read: ${this.#here()}`);
    this.#at += text.length;
    const value = Number(text);
    return this.#exact && String(value) !== text ? new ExactNumber(text) : value;
  }

  #string(context: string): string {
    let result = "";
    for (this.#at++; ; this.#at++) {
      const char = this.#text[this.#at];
      if (char === undefined) return this.#fail(context, "invalid string: missing closing quote");
      if (char === '"') break;
      if (char < " ") this.#fail(context, "invalid string: control character must be escaped");
      result += char === "\\" ? this.#escape(context) : char;
    }
    this.#at++;
    return result;
  }

  #escape(context: string): string {
    const char = this.#text[++this.#at] ?? "";
    if (char !== "u")
      return ESCAPES[char] ?? this.#fail(context, "invalid string: forbidden character after backslash");
    const digits = this.#text.slice(this.#at + 1, this.#at + 5);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail(context, "invalid string: '\\u' must be followed by 4 hex digits");
    this.#at += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === "]") {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.#value(depth + 1));
      this.#space();
      const char = this.#text[this.#at];
      if (char !== "," && char !== "]") this.#fail("array", `unexpected ${this.#here()}; expected ']'`);
      this.#at++;
      if (char === "]") return items;
    }
  }

  #object(depth: number): JsonValue {
    const object = newJsonObject();
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === "}") {
      this.#at++;
      return object;
    }
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail("object key", `unexpected ${this.#here()}; expected string literal`);
      const key = this.#string("object key");
      this.#space();
      if (this.#text[this.#at] !== ":") this.#fail("object separator", `unexpected ${this.#here()}; expected ':'`);
      this.#at++;
      object[key] = this.#value(depth + 1);
      this.#space();
      const char = this.#text[this.#at];
      if (char !== "," && char !== "}") this.#fail("object", `unexpected ${this.#here()}; expected '}'`);
      this.#at++;
      if (char === "}") return object;
    }
  }
}

/**
 * Parses JSON text. Objects have no prototype. With `exactNumbers`, a number that JavaScript would print otherwise
 * than it was written comes back as an `ExactNumber`. Throws `JsonSyntaxError`.
 */
export function parseJson(text: string, exactNumbers = false): JsonValue {
  return new JsonReader(text, exactNumbers).document();
}
