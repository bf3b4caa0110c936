/** Reading fields out of answers of a service that may be another program, or another version, than ours. */
import { ExactNumber, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";

/** The objects in an array; everything else is left out. */
export function objectsOf(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).filter(isJsonObject) : [];
}

/** The strings in an array; everything else is left out. */
export function stringsOf(value: JsonValue | undefined): string[] {
  const items = Array.isArray(value) ? (value as readonly JsonValue[]) : [];
  return items.filter((item) => typeof item === "string");
}

/** A string, or "" for anything else. */
export function stringOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

/** A number, or `otherwise` for anything else. */
export function numberOf(value: JsonValue | undefined, otherwise = 0): number {
  if (value instanceof ExactNumber) return Number(value.text);
  return typeof value === "number" ? value : otherwise;
}
