/** Lets so many run at a time; the others wait in their order. */
export class Window {
  readonly #size: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(size: number) {
    this.#size = size;
  }

  async run<R>(task: () => Promise<R>): Promise<R> {
    if (this.#running === this.#size) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the place is handed over
    } else {
      this.#running++;
    }
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#running--;
      } else {
        next();
      }
    }
  }
}
