/** What the operations of `/api/v1` need from the program around them. */
import type { ControllerManagement } from "../../controller/management.ts";
import type { OccupiedPrefix } from "../../controller/subnets.ts";
import type { Identity } from "../../identity/identity.ts";
import type { JsonValue } from "../../json/json.ts";
import type { Random } from "../../node/ports.ts";
import type { ApiTokens } from "../api-tokens.ts";
import type { EventLog } from "../event-log.ts";

/** Something wrong or doubtful in a rules source. Line and column from 1. */
export interface RulesProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface CompiledTag {
  readonly id: number;
  readonly name: string;
  readonly default: number | null;
  readonly enums: Readonly<Record<string, number>>;
  readonly flags: Readonly<Record<string, number>>;
}

export interface CompiledCapability {
  readonly id: number;
  readonly name: string;
  readonly default: boolean;
  /** As the controller keeps them. */
  readonly rules: readonly JsonValue[];
}

/** A rules source, compiled. */
export type CompiledRules =
  | {
      readonly ok: true;
      readonly rules: readonly JsonValue[];
      readonly capabilities: readonly CompiledCapability[];
      readonly tags: readonly CompiledTag[];
      /** What is allowed but probably not meant. */
      readonly warnings: readonly RulesProblem[];
    }
  | { readonly ok: false; readonly errors: readonly RulesProblem[] };

/** Rules, capabilities and tags as a network's record has them. */
export interface StoredRules {
  readonly rules: readonly JsonValue[];
  readonly capabilities: readonly JsonValue[];
  readonly tags: readonly JsonValue[];
}

/** The rule language. */
export interface RuleLanguage {
  compile(source: string): CompiledRules;
  /** A source that compiles to these; null if there is none. */
  decompile(stored: StoredRules): string | null;
}

export interface V1Context {
  readonly controller: ControllerManagement;
  readonly rules: RuleLanguage;
  readonly tokens: ApiTokens;
  readonly events: EventLog;
  /** True if address and keys belong together (it takes a memory-hard hash). */
  validateIdentity(identity: Identity): Promise<boolean>;
  /** What the host is connected to now. */
  hostPrefixes(): readonly OccupiedPrefix[];
  readonly random: Random;
  /** ms since the epoch. */
  now(): number;
  /** Of the program. */
  readonly version: string;
}
