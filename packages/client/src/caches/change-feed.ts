import type { CacheChange } from './types.ts';

type ValueChange<T> = Exclude<CacheChange<T>, { readonly type: 'unreadable' }>;

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<CacheChange<T>, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Changes on their way to one reader. What it has not read yet is kept as one change for each node, from what it knows
 * to what is now: a slow reader sees fewer steps, never a wrong end, and needs no more room than the cache itself.
 */
export class ChangeFeed<T> implements AsyncIterableIterator<CacheChange<T>> {
  readonly #values = new Map<string, ValueChange<T>>();
  readonly #faults = new Map<string, CacheChange<T>>();
  readonly #readers: Waiting<T>[] = [];
  readonly #onReturn: (feed: ChangeFeed<T>) => void;
  #isOver = false;
  #failure: unknown = undefined;

  constructor(onReturn: (feed: ChangeFeed<T>) => void) {
    this.#onReturn = onReturn;
  }

  push(change: CacheChange<T>): void {
    if (this.#isOver) {
      return;
    }
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: change });
    } else if (change.type === 'unreadable') {
      this.#faults.set(change.path, change);
    } else {
      this.#faults.delete(change.path);
      this.#keep(change);
    }
  }

  /** What is kept can still be read; then it is over, or fails. */
  end(failure?: unknown): void {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#failure = failure;
    for (const reader of this.#readers.splice(0)) {
      this.#finish().then(reader.resolve, reader.reject);
    }
  }

  next(): Promise<IteratorResult<CacheChange<T>, undefined>> {
    for (const kept of [this.#values, this.#faults]) {
      for (const [path, value] of kept) {
        kept.delete(path);
        return Promise.resolve({ done: false, value });
      }
    }
    if (this.#isOver) {
      return this.#finish();
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<CacheChange<T>, undefined>> {
    this.#values.clear();
    this.#faults.clear();
    this.end();
    this.#onReturn(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** A failure is told once. */
  #finish(): Promise<IteratorResult<CacheChange<T>, undefined>> {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure);
  }

  #keep(change: ValueChange<T>): void {
    const kept = this.#values.get(change.path);
    const merged = kept === undefined ? change : merge(kept, change);
    if (merged === null) {
      this.#values.delete(change.path);
    } else {
      this.#values.set(change.path, merged);
    }
  }
}

/** Two changes of one node as one; null when they undo each other. */
function merge<T>(first: ValueChange<T>, second: ValueChange<T>): ValueChange<T> | null {
  if (second.type === 'removed') {
    return first.type === 'added' ? null : { ...second, previous: first.previous };
  }
  const { path, name, value, stat } = second;
  return first.type === 'added'
    ? { type: 'added', path, name, value, stat }
    : { type: 'changed', path, name, value, stat, previous: first.previous };
}
