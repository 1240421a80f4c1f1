/** The instruments. Recording is a few additions in place: no clock, no allocation, no lock. */

/** Only grows (until a reset). */
export class Counter {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }

  reset(): void {
    this.value = 0;
  }
}

/** Count, sum, least and greatest of the samples since the last reset; all 0 while there are none. */
export class Summary {
  count = 0;
  sum = 0;
  min = 0;
  max = 0;

  add(value: number): void {
    if (this.count === 0 || value < this.min) {
      this.min = value;
    }
    if (this.count === 0 || value > this.max) {
      this.max = value;
    }
    this.count += 1;
    this.sum += value;
  }

  reset(): void {
    this.count = 0;
    this.sum = 0;
    this.min = 0;
    this.max = 0;
  }
}

/**
 * A histogram's buckets: one per whole value below 32, then 16 per power of two, so that a bucket is at most 1/16 of
 * its values wide and the middle of it at most 1/32 (3 %) off.
 */
const EXACT = 32;
const PER_OCTAVE = 16;
const FIRST_EXPONENT = 5;
const BUCKETS = EXACT + (31 - FIRST_EXPONENT) * PER_OCTAVE;
const VALUE_MAX = 2 ** 31 - 1;

function bucketOf(value: number): number {
  const whole = Math.min(value, VALUE_MAX) | 0;
  if (whole < EXACT) {
    return Math.max(whole, 0);
  }
  const exponent = 31 - Math.clz32(whole);
  return EXACT + (exponent - FIRST_EXPONENT) * PER_OCTAVE + ((whole >>> (exponent - 4)) & (PER_OCTAVE - 1));
}

function middleOf(bucket: number): number {
  if (bucket < EXACT) {
    return bucket;
  }
  const octave = (bucket - EXACT) >> 4;
  const width = 2 ** (octave + 1);
  return (PER_OCTAVE + ((bucket - EXACT) & (PER_OCTAVE - 1))) * width + width / 2;
}

/**
 * A Summary that also knows how its samples are distributed. Samples are whole numbers (milliseconds, counts) or are
 * cut to them for that.
 */
export class PercentileSummary extends Summary {
  /** Operators are shown the tail (p95 and beyond), not only the median. */
  readonly tail: boolean;
  /** Allocated with the first sample: most of ZooKeeper's many summaries never get one. */
  #counts: Float64Array | null = null;
  /** The counts at the last rotation and at the one before; null before there were so many. */
  #last: Float64Array | null = null;
  #lastButOne: Float64Array | null = null;

  constructor(tail: boolean) {
    super();
    this.tail = tail;
  }

  override add(value: number): void {
    super.add(value);
    this.#counts ??= new Float64Array(BUCKETS);
    this.#counts[bucketOf(value)] += 1;
  }

  override reset(): void {
    super.reset();
    this.#counts = null;
    this.#last = null;
    this.#lastButOne = null;
  }

  /** Ends a time slot: the window then reaches back to the rotation before this one. */
  rotate(): void {
    this.#lastButOne = this.#last;
    this.#last = this.#counts === null ? null : this.#counts.slice();
  }

  /** The value that `share` (0 to 1) of all samples since the reset do not exceed; 0 of none. */
  percentile(share: number): number {
    return this.count === 0 ? 0 : this.#quantile(share, null);
  }

  /** The same over the samples of the current and the last whole time slot; NaN where there are none. */
  windowPercentile(share: number): number {
    return this.#quantile(share, this.#lastButOne);
  }

  #quantile(share: number, before: Float64Array | null): number {
    const counts = this.#counts;
    if (counts === null) {
      return Number.NaN;
    }
    const recent = before === null ? counts : counts.map((count, bucket) => count - before[bucket]);
    const total = recent.reduce((sum, count) => sum + count, 0);
    const wanted = Math.max(1, Math.ceil(share * total));
    let passed = 0;
    const bucket = recent.findIndex((count) => {
      passed += count;
      return passed >= wanted;
    });
    return bucket === -1 ? Number.NaN : Math.min(this.max, Math.max(this.min, middleOf(bucket)));
  }
}

/**
 * Sets are labelled by what clients choose (top-level nodes), so they are bounded: labels beyond this many are counted
 * nowhere, lest a client that makes a million nodes fills the server's memory and its operators' dashboards.
 */
export const LABELS_MAX = 1000;

/** One instrument per label. */
export class LabelledSet<I extends { reset(): void }> {
  readonly #create: () => I;
  readonly #byLabel = new Map<string, I>();

  constructor(create: () => I) {
    this.#create = create;
  }

  /** The label's instrument; undefined when the set is full. */
  get(label: string): I | undefined {
    let instrument = this.#byLabel.get(label);
    if (instrument === undefined && this.#byLabel.size < LABELS_MAX) {
      instrument = this.#create();
      this.#byLabel.set(label, instrument);
    }
    return instrument;
  }

  [Symbol.iterator](): Iterator<[string, I]> {
    return this.#byLabel[Symbol.iterator]();
  }

  /** Labels stay, with instruments back at their start: a series that has been seen does not vanish. */
  reset(): void {
    for (const instrument of this.#byLabel.values()) {
      instrument.reset();
    }
  }
}

export class CounterSet extends LabelledSet<Counter> {
  constructor() {
    super(() => new Counter());
  }

  add(label: string, amount: number): void {
    this.get(label)?.add(amount);
  }
}

export class SummarySet extends LabelledSet<Summary> {
  /** The last namespace seen, as `/name`, and its summary: clients stay in one for long. */
  #lastRoot = '';
  #lastSummary: Summary | undefined;

  constructor() {
    super(() => new Summary());
  }

  add(label: string, value: number): void {
    this.get(label)?.add(value);
  }

  /** Adds under the name of the top-level node above `path`, which starts with a slash; the root has none. */
  addPath(path: string, value: number): void {
    const last = this.#lastRoot;
    if (last === '' || !path.startsWith(last) || (path.length > last.length && path.charCodeAt(last.length) !== 47)) {
      const end = path.indexOf('/', 1);
      const root = end === -1 ? path : path.slice(0, end);
      if (root.length < 2) {
        return;
      }
      this.#lastRoot = root;
      this.#lastSummary = this.get(root.slice(1));
    }
    this.#lastSummary?.add(value);
  }
}

export class PercentileSummarySet extends LabelledSet<PercentileSummary> {
  constructor() {
    super(() => new PercentileSummary(true));
  }

  add(label: string, value: number): void {
    this.get(label)?.add(value);
  }

  rotate(): void {
    for (const [, summary] of this) {
      summary.rotate();
    }
  }
}
