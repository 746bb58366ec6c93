/** Counters, gauges and histograms in Prometheus' text form. */
type Labels = Readonly<Record<string, string | number>>;

export interface Metrics {
  count(name: string, labels?: Labels, by?: number): void;
  gauge(name: string, value: number, labels?: Labels): void;
  /** Seconds, into fixed buckets. */
  observe(name: string, seconds: number, labels?: Labels): void;
  /** Called before every scrape: for gauges that are cheaper to ask than to keep. */
  onScrape(collect: () => void): void;
  describe(name: string, help: string): void;
  render(): string;
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const MAX_SERIES = 2_000;

interface Family {
  type: "counter" | "gauge" | "histogram";
  series: Map<string, number | { buckets: number[]; sum: number; count: number }>;
}

/** @param prefix Of every name, e.g. "og_". */
export function createMetrics(prefix = "og_"): Metrics {
  const families = new Map<string, Family>();
  const help = new Map<string, string>();
  const collectors: (() => void)[] = [];

  function family(name: string, type: Family["type"]): Family {
    let found = families.get(name);
    if (!found) {
      found = { type, series: new Map() };
      families.set(name, found);
    }
    return found;
  }

  /** Label values come from peers at times: the number of series stays bounded. */
  function room({ series }: Family, key: string): boolean {
    return series.has(key) || series.size < MAX_SERIES;
  }

  return {
    describe: (name, text) => void help.set(name, text),
    onScrape: (collect) => void collectors.push(collect),
    count(name, labels = {}, by = 1) {
      const entry = family(name, "counter");
      const key = labelText(labels);
      if (room(entry, key)) entry.series.set(key, ((entry.series.get(key) as number | undefined) ?? 0) + by);
    },
    gauge(name, value, labels = {}) {
      const entry = family(name, "gauge");
      const key = labelText(labels);
      if (room(entry, key)) entry.series.set(key, value);
    },
    observe(name, seconds, labels = {}) {
      const entry = family(name, "histogram");
      const key = labelText(labels);
      if (!room(entry, key)) return;
      const histogram = (entry.series.get(key) as { buckets: number[]; sum: number; count: number } | undefined) ?? { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
      BUCKETS.forEach((limit, index) => {
        if (seconds <= limit) histogram.buckets[index]!++;
      });
      histogram.sum += seconds;
      histogram.count++;
      entry.series.set(key, histogram);
    },
    render() {
      for (const collect of collectors) collect();
      const lines: string[] = [];
      for (const [name, { type, series }] of families) {
        const full = prefix + name;
        if (help.has(name)) lines.push(`# HELP ${full} ${help.get(name)}`);
        lines.push(`# TYPE ${full} ${type}`);
        for (const [key, value] of series) {
          if (typeof value === "number") {
            lines.push(`${full}${key && `{${key}}`} ${value}`);
            continue;
          }
          const comma = key && `${key},`;
          BUCKETS.forEach((limit, index) => lines.push(`${full}_bucket{${comma}le="${limit}"} ${value.buckets[index]}`));
          lines.push(`${full}_bucket{${comma}le="+Inf"} ${value.count}`, `${full}_sum${key && `{${key}}`} ${value.sum}`, `${full}_count${key && `{${key}}`} ${value.count}`);
        }
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`)
    .join(",");
}
