/** When an instance that fails its callers is left out for a while. */
export interface DownPolicy {
  /** So many failures... @default 2 */
  readonly failures?: number | undefined;
  /** ...within this time leave it out, until this time has passed since the first of them. @default 30000 */
  readonly forMs?: number | undefined;
}

/** Counts failures by the ids of instances. */
export class DownList {
  readonly #failuresMin: number;
  readonly #forMs: number;
  readonly #now: () => number;
  readonly #failures = new Map<string, { readonly sinceMs: number; count: number }>();

  constructor({ failures = 2, forMs = 30_000 }: DownPolicy, now: () => number) {
    this.#failuresMin = failures;
    this.#forMs = forMs;
    this.#now = now;
  }

  failed(id: string): void {
    const known = this.#current(id);
    if (known === undefined) {
      this.#failures.set(id, { sinceMs: this.#now(), count: 1 });
    } else {
      known.count++;
    }
  }

  succeeded(id: string): void {
    this.#failures.delete(id);
  }

  isDown(id: string): boolean {
    return (this.#current(id)?.count ?? 0) >= this.#failuresMin;
  }

  /** Forgets those that are gone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#failures.keys()) {
      if (!ids.has(id)) {
        this.#failures.delete(id);
      }
    }
  }

  #current(id: string) {
    const known = this.#failures.get(id);
    if (known !== undefined && this.#now() - known.sinceMs >= this.#forMs) {
      this.#failures.delete(id);
      return undefined;
    }
    return known;
  }
}
