/** Starting a thread of the data plane. */
import { Worker } from "node:worker_threads";

/**
 * Starts the program `program` beside this file (or at a URL): `.js` when built, `.ts` when run from source. From
 * source the loader that runs this thread is not inherited by workers on every Node version, so the worker first
 * registers it.
 */
export function startThread(program: string | URL, name: string, data: unknown): Worker {
  const fromSource = import.meta.url.endsWith(".ts");
  const file = typeof program === "string" ? `./${program}.${fromSource ? "ts" : "js"}` : program;
  const target = new URL(file, import.meta.url);
  const options = { name, workerData: data };
  if (!fromSource) return new Worker(target, options);
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const href = JSON.stringify(target.href);
  return new Worker(`import(${loader}).then((tsx) => { tsx.register(); return import(${href}); })`, {
    eval: true,
    ...options,
  });
}
