/** What somebody asked the store for and cannot have. */

/** A part of a query makes no sense. Shown to whoever asked. */
export class QueryError extends Error {
  override readonly name = "QueryError";
  /** The part, as the query calls it. */
  readonly field: string;
  /** What to write instead. */
  readonly advice: string;

  constructor(field: string, problem: string, advice: string) {
    super(`${field} ${problem}: ${advice}`);
    this.field = field;
    this.advice = advice;
  }
}

export const MAX_PAGE = 1000;

/** Throws QueryError unless `limit` is a whole number in 1 … 1000. */
export function checkLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_PAGE) return;
  throw new QueryError("limit", "is out of range", `write a whole number from 1 to ${MAX_PAGE}`);
}
