/** The operator's mistakes, told so that they can be mended: where, what, and what to write instead. */

/** Where a mistake is. Lines and columns count from 1. */
export interface ConfigPlace {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/**
 * A configuration or a home that cannot be used: the program ends with exit code 78. `message` is what is wrong,
 * without place and advice; `describe` puts the three together. An error that stands for several problems has them
 * in `problems`, one described line each in `message`, and neither place nor advice of its own.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** What to write or do instead; empty when `problems` say it. */
  readonly advice: string;
  readonly problems: readonly ConfigError[];

  constructor(
    message: string,
    place: ConfigPlace & { readonly advice: string },
    problems: readonly ConfigError[] = [],
  ) {
    super(message);
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
    this.advice = place.advice;
    this.problems = problems;
  }

  /** The single problem itself, or one error that lists all of them. `problems` is not empty. */
  static of(problems: readonly ConfigError[]): ConfigError {
    const [first, second] = problems;
    if (first !== undefined && second === undefined) return first;
    const single = problems.flatMap((problem) => (problem.problems.length > 0 ? problem.problems : [problem]));
    return new ConfigError(single.map((problem) => problem.describe()).join("\n"), { advice: "" }, single);
  }

  /** `file:line:column: message: advice`, leaving out what is not known; one line per problem. */
  describe(): string {
    const place = [this.file, this.line, this.column].filter((part) => part !== undefined).join(":");
    return [place, this.message, this.advice].filter((part) => part !== "").join(": ");
  }
}
