/**
 * Large pages for memory that is read at random: with pages of 4 KiB nearly every look into a table of many megabytes
 * costs a walk through the page tables besides the cache miss, in a virtual machine through two of them.
 */
import type { Libc } from "./libc.ts";

const MADV_HUGEPAGE = 14;
const HUGE_PAGE_BYTES = 2 ** 21;

/** Asks for them where the view covers whole ones. Where the kernel has none, everything is as it was. */
export function adviseHugePages(libc: Libc, view: Uint8Array): void {
  const begin = libc.addressOf(view);
  const first = Math.ceil(begin / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
  const end = Math.floor((begin + view.length) / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
  if (end > first) libc.madvise(first, end - first, MADV_HUGEPAGE);
}
