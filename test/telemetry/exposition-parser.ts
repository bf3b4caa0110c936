/** Reads exposition text back, strictly enough to compare what two programs expose. */

export interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** Sample lines without their values, and their values. */
  readonly samples: ReadonlyMap<string, number>;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*(?:\{[^}]*\})?) (\S+)$/;

function numberOf(text: string): number {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  return text === "NaN" ? Number.NaN : Number(text);
}

/** Families in the order of the text. Throws on a line that is neither a comment of a family nor one of its samples. */
export function parseExposition(text: string): ParsedFamily[] {
  const families: (ParsedFamily & { samples: Map<string, number> })[] = [];
  for (const line of text.trimEnd().split("\n")) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    const sample = SAMPLE.exec(line);
    const current = families.at(-1);
    if (help) families.push({ name: help[1]!, help: help[2]!, type: "", samples: new Map() });
    else if (type && current?.name === type[1]) families[families.length - 1] = { ...current!, type: type[2]! };
    else if (sample && current && sample[1]!.startsWith(current.name)) {
      if (current.samples.has(sample[1]!)) throw new Error(`twice: ${line}`);
      current.samples.set(sample[1]!, numberOf(sample[2]!));
    } else throw new Error(`unexpected line: ${line}`);
  }
  return families;
}
