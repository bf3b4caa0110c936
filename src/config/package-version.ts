/** The program's own version, from its package.json. */
import { readFileSync } from "node:fs";

/** As in `0.1.0`. The file lies one folder above both `src/` and `dist/`. */
export function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
