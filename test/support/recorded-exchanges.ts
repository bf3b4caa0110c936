/** The recorded HTTP exchanges of the reference, test/fixtures/vectors/api. */
import { readFileSync } from "node:fs";

export interface RecordedExchange {
  name: string;
  /** Which of the three recorded nodes was asked: a is planet and controller, b and c are its members. */
  node: "a" | "b" | "c";
  request?: { method: string; path: string; headers: string[]; body?: unknown };
  response: { status: number; headers: Record<string, string>; bodyText: string; json?: unknown };
}

/** Exchanges of `<file>.json` in the order in which they were recorded. */
export function recordedExchanges(file: string): RecordedExchange[] {
  const url = new URL(`../fixtures/vectors/api/${file}.json`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { exchanges: RecordedExchange[] }).exchanges;
}

/** The body of a recorded request as it was sent; undefined if there was none. */
export function sentBody(exchange: RecordedExchange): string | undefined {
  const body = exchange.request?.body;
  return body === undefined || typeof body === "string" ? body : JSON.stringify(body);
}
