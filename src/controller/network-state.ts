/** A network as requests need it: what its record means, and the parts of every member's configuration that are the same. */
import { encodeRules } from "../network/rules/codec.ts";
import type { Address } from "../protocol/address.ts";
import type { NetworkRecord } from "./records.ts";
import { type NetworkSettings, networkSettings } from "./settings.ts";

export interface EncodedCapability {
  readonly rules: Uint8Array;
  readonly ruleCount: number;
}

export interface NetworkState {
  readonly record: NetworkRecord;
  readonly settings: NetworkSettings;
  /** The rule table as it is sent. */
  readonly rules: Uint8Array;
  /** By capability id. */
  readonly capabilities: ReadonlyMap<number, EncodedCapability>;
  /** Members that are bridges, ascending. */
  readonly bridges: readonly Address[];
}

/** What a member without a rules engine gets instead of the table (controller.md §7). */
export const NO_ENGINE_RULES = encodeRules([{ type: "ACTION_ACCEPT", not: false, or: false }]);

export function networkState(record: NetworkRecord, bridges: readonly Address[]): NetworkState {
  const settings = networkSettings(record.json);
  const capabilities = new Map<number, EncodedCapability>();
  for (const { id, rules } of settings.capabilities) {
    capabilities.set(id, { rules: encodeRules(rules), ruleCount: rules.length });
  }
  return { record, settings, rules: encodeRules(settings.rules), capabilities, bridges };
}
