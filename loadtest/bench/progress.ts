/** Tells whoever waits what is being done. */

let shown = "";

/** One line on stderr that overwrites itself on a terminal, and is a line of its own elsewhere. */
export function progress(text: string): void {
  if (text === shown) return;
  shown = text;
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

/** Takes the line away, so that results can be printed. */
export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}
