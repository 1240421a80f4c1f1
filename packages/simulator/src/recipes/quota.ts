/** How often each program has got what it wants, and whether all have got it again since nothing fails any more. */
export class Quota {
  readonly #counts: Map<string, number>;
  readonly #more: number;
  #wanted: ReadonlyMap<string, number> | null = null;

  /** `more`: how often again, from the first question on. */
  constructor(programs: readonly string[], more = 2) {
    this.#counts = new Map(programs.map((name) => [name, 0]));
    this.#more = more;
  }

  got(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** Those that wait for more; asked only when nothing fails any more. */
  waiting(): string[] {
    const counts = [...this.#counts];
    this.#wanted ??= new Map(counts.map(([name, count]) => [name, count + this.#more]));
    const wanted = this.#wanted;
    return counts.filter(([name, count]) => count < (wanted.get(name) ?? 0)).map(([name]) => name);
  }
}
