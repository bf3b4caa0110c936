/**
 * From text to words, and from words to blocks. Facts: rule-language.md section 2 (words and blocks), 7 (how the
 * reference counts lines and columns) and 8.1 to 8.3 (which blocks its compiler loses).
 *
 * A block is what follows an opening word (`drop`, `cap`, …) up to its `;`. There are two ways of reading them:
 *
 * | | strict, as the reference | default |
 * |---|---|---|
 * | `accept;` at top level | opens a block that only the next `;` ends | a whole statement |
 * | `accept;` in a `cap` | ends the `cap` | a whole statement |
 * | `accept ;` | opens a block that this `;` does not end | a whole statement |
 * | end of text in a block | an empty block makes those around it vanish | ends every block |
 */
import { BLOCK_OPENERS } from "./vocabulary.ts";

/** One word of a source, without the `;` that may end it. */
export interface Token {
  readonly text: string;
  /** Line from 1, column as in `SourcePlace`. */
  readonly line: number;
  readonly column: number;
  /** The words of the block that this word opens; null if it opens none. */
  block: Token[] | null;
  /** True if the block was ended by a `;` and not by the end of the text. */
  closed: boolean;
  /** True for the first word of a line that follows a line with a comment: perhaps a comment that was broken in two. */
  readonly afterComment: boolean;
}

interface Word {
  readonly token: Token;
  /** False for a lone `;`. */
  readonly hasText: boolean;
  readonly semicolon: boolean;
  /** True if the text ends right behind this word. */
  readonly last: boolean;
}

const SPACE = " \t\r\n";
const BYTE_ORDER_MARK = "\ufeff";

/** Cuts a source into words. Comments run from a `#` at the beginning of a word to the end of the line. */
function* wordsOf(source: string, strict: boolean): Generator<Word> {
  let line = 1;
  let lineStart = 0;
  let commentLine = -1;
  let wordLine = 0;
  const column = (at: number) => at - lineStart + (strict && line === 1 ? 0 : 1);
  // The reference ends a comment at a carriage return and counts it as a line of its own; we count what editors count.
  const breaksLine = (at: number, inComment: boolean) =>
    source[at] === "\n" || (source[at] === "\r" && (strict ? inComment : source[at + 1] !== "\n"));
  const newLine = (at: number) => {
    line += 1;
    lineStart = at + 1;
  };
  let at = !strict && source.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  while (at < source.length) {
    if (breaksLine(at, false)) newLine(at++);
    else if (SPACE.includes(source[at]!)) at++;
    else if (source[at] === "#") {
      commentLine = line;
      while (at < source.length && source[at] !== "\n" && source[at] !== "\r") at++;
      if (at < source.length && breaksLine(at, true)) newLine(at++);
    } else {
      const start = at;
      while (at < source.length && !SPACE.includes(source[at]!)) at++;
      const semicolon = source[at - 1] === ";";
      const text = source.slice(start, semicolon ? at - 1 : at);
      const afterComment = wordLine !== line && commentLine === line - 1;
      const token = { text, line, column: column(start), block: null, closed: false, afterComment };
      yield { token, hasText: text !== "", semicolon, last: at === source.length };
      wordLine = line;
    }
  }
}

/**
 * The words at the top level of a source, each with the block that it opens. Never fails: what makes no sense is for
 * the parser to find. The result is as deep as the source says, so walk it no deeper than the grammar goes.
 */
export function readBlocks(source: string, strict: boolean): readonly Token[] {
  const root: Token[] = [];
  const open: { readonly opener: Token; readonly items: Token[] }[] = [];
  const items = () => open.at(-1)?.items ?? root;
  const start = (opener: Token) => {
    open.push({ opener, items: [] });
  };
  const end = (closed: boolean) => {
    const block = open.pop();
    if (block === undefined) return;
    block.opener.block = block.items;
    block.opener.closed = closed;
  };
  for (const { token, hasText, semicolon, last } of wordsOf(source, strict)) {
    const opens = hasText && BLOCK_OPENERS.has(token.text);
    if (hasText) items().push(token);
    if (strict) {
      if (semicolon && open.length > 0 && items().length > 0) end(true);
      else if (opens && !last) start(token);
    } else {
      if (opens) start(token);
      if (semicolon) end(true);
    }
  }
  while (open.length > 0 && !(strict && items().length === 0)) end(false);
  return root;
}
