/**
 * The text form of metrics (Prometheus exposition format 0.0.4) as the reference prints it: no blank lines, no
 * timestamps, labels in alphabetical order with `le` last, `_count` and `_sum` before the buckets (metrics.md).
 */

/** One family as prom-client gives it: its declaration and its samples at this moment. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** With the suffix (`_bucket`, `_sum`, `_count`) of histograms. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"');

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return Number.isNaN(value) ? "NaN" : String(value);
}

function formatSample({ name, labels, value }: Sample): string {
  const names = Object.keys(labels)
    .filter((label) => label !== "le")
    .sort();
  if ("le" in labels) names.push("le");
  const parts = names.map((label) => `${label}="${escapeLabel(String(labels[label]))}"`);
  return `${name}${parts.length > 0 ? `{${parts.join(",")}}` : ""} ${formatValue(value)}`;
}

/** `_count` first, then `_sum`, then the buckets in order, for each label set. */
function histogramOrder(samples: readonly Sample[]): readonly Sample[] {
  const sets = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    const set = sets.get(key);
    if (set) set.push(sample);
    else sets.set(key, [sample]);
  }
  const rank = ({ name }: Sample) => (name.endsWith("_count") ? 0 : name.endsWith("_sum") ? 1 : 2);
  return [...sets.values()].flatMap((set) => set.sort((a, b) => rank(a) - rank(b)));
}

/** The lines of one family, without a final newline: HELP, TYPE, then its samples (there may be none). */
export function formatFamily({ name, help, type, samples }: Family): string {
  const ordered = type === "histogram" ? histogramOrder(samples) : samples;
  return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...ordered.map(formatSample)].join("\n");
}
