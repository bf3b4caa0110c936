/** Measures how late the event loop of this thread runs its timers. */
import { performance } from "node:perf_hooks";

const SAMPLE_INTERVAL_MS = 50;

/**
 * Starts measuring; hands the lag of each tick, in seconds, to `observe`. Does not keep the process alive. The result
 * stops it. A histogram of its own ticks, unlike percentiles since the last scrape, can be read by any number of
 * scrapers and added up over instances.
 */
export function watchEventLoop(observe: (lagSeconds: number) => void): () => void {
  let expected = performance.now() + SAMPLE_INTERVAL_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    observe(Math.max(0, now - expected) / 1000);
    expected = now + SAMPLE_INTERVAL_MS;
  }, SAMPLE_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}
