/** Thrown when a run shows something that must never be. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** The checker that saw it. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

/** `message` is made only when it is needed. */
export function check(condition: boolean, invariant: string, message: () => string): asserts condition {
  if (!condition) {
    throw new Violation(invariant, message());
  }
}
