/** Thrown by `assert`: a bug of ours. The process stops before it harms data. */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Stays on in production: `fact` says what must hold here. */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) {
    throw new AssertionFailure(`assertion failed: ${fact}`);
  }
}
