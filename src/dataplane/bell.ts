/** Sleeping on shared memory until another thread rings: without holding up the event loop. */

/** How often the bell is looked at where a promise cannot wait for shared memory. */
const FALLBACK_POLL_MS = 5;

/** Atomics.waitAsync: in every Node that we run on, but not in this TypeScript library version. */
type WaitAsync = (
  cells: Int32Array,
  index: number,
  value: number,
) => { readonly async: boolean; readonly value: Promise<string> | string };

const waitAsync = (Atomics as { readonly waitAsync?: WaitAsync }).waitAsync;

/** Calls `then` once cell 0 of `bell` is another number than `heard`, never before this function returns. */
export function awaitBell(bell: Int32Array, heard: number, then: () => void): void {
  if (waitAsync === undefined) {
    setTimeout(then, FALLBACK_POLL_MS);
    return;
  }
  const { async, value } = waitAsync(bell, 0, heard);
  if (async) void (value as Promise<string>).then(then);
  else setImmediate(then);
}
