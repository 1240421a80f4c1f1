/** Wakes whoever waits for a change: one listener for any number of watches, so that no path gets more than one. */
export class Bell {
  #resolve: () => void = () => undefined;
  #next = this.#arm();

  /** Fulfils at the next ring. Ask before reading what may change, so that no ring is missed. */
  next(): Promise<void> {
    return this.#next;
  }

  readonly ring = (): void => {
    const resolve = this.#resolve;
    this.#next = this.#arm();
    resolve();
  };

  #arm(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
}
