/**
 * Where configuration comes from: each function reads one source into a layer of values by key. Mistakes are
 * collected, so that the operator sees all of them at once. Facts about the reference's files: local-conf.ts.
 */
import { join } from "node:path";
import { parse as parseYamlText } from "yaml";
import type { JsonObject } from "../json/json.ts";
import { readTextIfPresent } from "../store/atomic-file.ts";
import { ConfigError } from "./errors.ts";
import { parseLocalConf, parseTrustedPaths, settingsOf } from "./local-conf.ts";
import { describeIssues, nearest } from "./problems.ts";
import { type ConfigKey, type ConfigValues, KEY_NAMES, KEYS, SCHEMA } from "./schema.ts";
import { parseYaml } from "./yaml.ts";

const MAX_FILE_BYTES = 1 << 20;

export type ConfigSource = "default" | "trustedpaths" | "local.conf" | "orrery.yaml" | "env" | "flag";

/** A command line flag that stands for a key. `value` is the text given, or true for a flag without one. */
export interface FlagValue {
  /** As the operator wrote it: `--port`. */
  readonly flag: string;
  readonly key: ConfigKey;
  readonly value: string | boolean;
}

/** The values of one source. */
export interface Layer {
  readonly source: ConfigSource;
  readonly values: Partial<ConfigValues>;
}

/** What is found on the way and told at the end. */
export class Findings {
  /** Any of these stops the start. */
  readonly problems: ConfigError[] = [];
  /** What was ignored. */
  readonly warnings: string[] = [];

  /** The result of `read`, or null if it threw a ConfigError, which is noted. */
  attempt<T>(read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.problems.push(error);
      return null;
    }
  }
}

/** `ORRERY_LISTEN_SECONDARY_PORT` for `listen.secondaryPort`; null for keys that hold maps. */
export function variableName(key: ConfigKey): string | null {
  if (KEYS[key].meta.mapKey !== undefined) return null;
  return `ORRERY_${key.replace(/[A-Z]/g, "_$&").replace(".", "_").toUpperCase()}`;
}

/** Variables that are read elsewhere, and those that orchestrators set for a service named orrery. */
const OTHER_VARIABLES = /^ORRERY_(HOME|CONFIG|SERVICE_(HOST|PORT).*|PORT(_.*)?)$/;

/** A value given as text, as if it stood in orrery.yaml; lists are separated by commas. */
function textValue(key: ConfigKey, text: string): unknown {
  if (KEYS[key].meta.item !== undefined) {
    const items = text.split(",").map((item) => item.trim());
    return items.filter((item) => item !== "");
  }
  try {
    return parseYamlText(text);
  } catch {
    return text;
  }
}

/** Reads one key given as text; a mistake is noted under `name`. */
function readText(key: ConfigKey, value: string | boolean, name: string, findings: Findings): unknown {
  const { schema, meta } = KEYS[key];
  const parsed = schema.safeParse(typeof value === "string" ? textValue(key, value) : value);
  if (parsed.success) return parsed.data;
  const example = `${name}=${meta.example.replaceAll(/["[\]]/g, "").replaceAll(", ", ",")}`;
  const message = `${name}: expected ${meta.expected}, got ${JSON.stringify(value)}`;
  findings.problems.push(new ConfigError(message, { advice: `write for example ${example}` }));
  return undefined;
}

/** Keys set by ORRERY_* variables; unknown ones are only warned about, since orchestrators invent some. */
export function environmentLayer(env: NodeJS.ProcessEnv, findings: Findings): Layer {
  const byVariable = new Map(KEY_NAMES.map((key) => [variableName(key), key] as const));
  const values: Partial<Record<ConfigKey, unknown>> = {};
  for (const [name, text] of Object.entries(env).sort()) {
    if (!name.startsWith("ORRERY_") || text === undefined || OTHER_VARIABLES.test(name)) continue;
    const key = byVariable.get(name);
    if (key !== undefined) {
      const value = readText(key, text, name, findings);
      if (value !== undefined) values[key] = value;
      continue;
    }
    const similar = nearest(
      name,
      [...byVariable.keys()].filter((known) => known !== null),
    );
    findings.warnings.push(`${name} is unknown and ignored${similar === null ? "" : `: did you mean ${similar}?`}`);
  }
  return { source: "env", values: values as Partial<ConfigValues> };
}

/** Keys set by flags. */
export function flagLayer(flags: readonly FlagValue[], findings: Findings): Layer {
  const values: Partial<Record<ConfigKey, unknown>> = {};
  for (const { flag, key, value } of flags) {
    const parsed = readText(key, value, flag, findings);
    if (parsed !== undefined) values[key] = parsed;
  }
  return { source: "flag", values: values as Partial<ConfigValues> };
}

/** A section that is there but empty (its lines commented out) is no mistake. */
function withoutEmptySections(value: unknown): unknown {
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

function yamlValues(text: string, file: string): Partial<ConfigValues> {
  const source = parseYaml(text, file);
  const parsed = SCHEMA.safeParse(withoutEmptySections(source.value));
  if (!parsed.success) throw ConfigError.of(describeIssues(parsed.error.issues, source));
  const values: Partial<Record<ConfigKey, unknown>> = {};
  for (const key of KEY_NAMES) {
    const [section, inner] = key.split(".") as [string, string | undefined];
    const held = parsed.data[section];
    const value = inner === undefined ? held : (held as Record<string, unknown> | undefined)?.[inner];
    if (value !== undefined) values[key] = value;
  }
  return values as Partial<ConfigValues>;
}

/** The operator's file; `required` if it was asked for by name. */
export function yamlLayer(file: string, required: boolean, findings: Findings): Layer {
  const values = findings.attempt(() => {
    const text = readTextIfPresent(file, MAX_FILE_BYTES);
    if (text !== null) return yamlValues(text, file);
    if (!required) return {};
    throw new ConfigError("there is no such file", { file, advice: "correct --config, or leave it out" });
  });
  return { source: "orrery.yaml", values: values ?? {} };
}

/** The legacy file `trustedpaths` of a home. */
export function trustedPathsLayer(home: string, findings: Findings): Layer {
  const file = join(home, "trustedpaths");
  const text = findings.attempt(() => readTextIfPresent(file, MAX_FILE_BYTES));
  const { values, warnings } = parseTrustedPaths(text ?? "", file);
  findings.warnings.push(...warnings);
  return { source: "trustedpaths", values };
}

/** local.conf of a home, as a layer and as it is. */
export function localConfLayer(home: string, findings: Findings): { layer: Layer; localConf: JsonObject } {
  const file = join(home, "local.conf");
  const text = findings.attempt(() => readTextIfPresent(file, MAX_FILE_BYTES));
  const localConf = text === null ? {} : (findings.attempt(() => parseLocalConf(text, file)) ?? {});
  const { values, warnings } = settingsOf(localConf, file);
  findings.warnings.push(...warnings);
  return { layer: { source: "local.conf", values }, localConf };
}
