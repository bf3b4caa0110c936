/** YAML text as plain values that remember where they stood, so that a mistake can be pointed at. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { ConfigError, type ConfigPlace } from "./errors.ts";

/** Deeper or larger texts are no configuration; aliases could make them endless. */
const MAX_DEPTH = 16;
const MAX_NODES = 100_000;

type Path = readonly PropertyKey[];

/** A parsed file. */
export interface YamlSource {
  /** Maps are objects without prototype; keys are texts as written (an address like 0123456789 stays one). */
  readonly value: unknown;
  /** Where the value at `path` stands; of its nearest parent if it does not exist. `of` = the key instead. */
  place(path: Path, of?: "key" | "value"): ConfigPlace;
}

function keyOf(path: Path): string {
  return path.map(String).join("\0");
}

class Converter {
  readonly keys = new Map<string, number>();
  readonly values = new Map<string, number>();
  readonly #document: Document;
  readonly #tooMuch: (offset: number) => never;
  #nodes = 0;

  constructor(document: Document, tooMuch: (offset: number) => never) {
    this.#document = document;
    this.#tooMuch = tooMuch;
  }

  convert(node: unknown, path: Path, offset: number): unknown {
    const at = (node as Node | null)?.range?.[0] ?? offset;
    if (path.length > MAX_DEPTH || ++this.#nodes > MAX_NODES) this.#tooMuch(at);
    if (!this.values.has(keyOf(path))) this.values.set(keyOf(path), at);
    if (isAlias(node)) return this.convert(node.resolve(this.#document), path, at);
    if (isSeq(node)) return node.items.map((item, index) => this.convert(item, [...path, index], at));
    if (!isMap(node)) return isScalar(node) ? node.value : null;
    const map = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? (key.source ?? String(key.value)) : String(key);
      const inner = [...path, name];
      const keyAt = (key as Node | null)?.range?.[0] ?? at;
      this.keys.set(keyOf(inner), keyAt);
      map[name] = this.convert(value, inner, keyAt);
    }
    return map;
  }
}

/** Parses one YAML document. Throws ConfigError (all syntax errors at once); `file` is how it is called in them. */
export function parseYaml(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const placeAt = (offset: number): ConfigPlace => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  if (document.errors.length > 0) {
    const advice = "check the indentation, quotes and brackets here";
    throw ConfigError.of(
      document.errors.map(({ message, pos }) => new ConfigError(`no YAML: ${message}`, { ...placeAt(pos[0]), advice })),
    );
  }
  const converter = new Converter(document, (offset) => {
    const advice = "write the settings out without aliases";
    throw new ConfigError("nested too deeply or far too large", { ...placeAt(offset), advice });
  });
  const value = converter.convert(document.contents, [], 0);
  return {
    value,
    place(path, of = "value") {
      const own = of === "key" ? converter.keys.get(keyOf(path)) : undefined;
      if (own !== undefined) return placeAt(own);
      for (let length = path.length; length >= 0; length--) {
        const offset = converter.values.get(keyOf(path.slice(0, length)));
        if (offset !== undefined) return placeAt(offset);
      }
      return { file };
    },
  };
}
