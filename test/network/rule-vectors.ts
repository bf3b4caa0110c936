/** The recordings of the reference's rule compiler (fixtures/vectors/rule-compiler.json), typed. */
import { readFileSync } from "node:fs";
import type { RulesDocument } from "../../src/network/rules/document.ts";

export interface AcceptedSource {
  readonly name: string;
  readonly source: string;
  readonly output: RulesDocument;
}

export interface RefusedSource {
  readonly name: string;
  readonly source: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const { cases } = JSON.parse(
  readFileSync(new URL("../fixtures/vectors/rule-compiler.json", import.meta.url), "utf8"),
) as { cases: readonly ((AcceptedSource & { exit: 0 }) | (RefusedSource & { exit: 1 }))[] };

export const acceptedSources: readonly AcceptedSource[] = cases.filter((one) => one.exit === 0);
export const refusedSources: readonly RefusedSource[] = cases.filter((one) => one.exit === 1);
