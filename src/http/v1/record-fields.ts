/** Reads fields of the reference's objects as they were stored. What has another type than it should is as if missing. */
import { ExactNumber, isJsonObject, type JsonObject, type JsonValue } from "../../json/json.ts";

const NO_OBJECT: JsonObject = {};

export function textField(json: JsonObject, key: string): string {
  const value = json[key];
  return typeof value === "string" ? value : "";
}

export function flagField(json: JsonObject, key: string, missing = false): boolean {
  const value = json[key];
  return typeof value === "boolean" ? value : missing;
}

/** A whole number that fits into a double; `missing` for anything else. */
export function wholeField(json: JsonObject, key: string, missing = 0): number {
  const value = json[key];
  const number = typeof value === "bigint" ? Number(value) : value instanceof ExactNumber ? Number(value.text) : value;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : missing;
}

export function objectField(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  return isJsonObject(value) ? value : NO_OBJECT;
}

export function listField(json: JsonObject, key: string): readonly JsonValue[] {
  const value = json[key];
  return Array.isArray(value) ? value : [];
}

export function objectsField(json: JsonObject, key: string): JsonObject[] {
  return listField(json, key).filter(isJsonObject);
}

export function textsField(json: JsonObject, key: string): string[] {
  return listField(json, key).filter((value): value is string => typeof value === "string");
}
