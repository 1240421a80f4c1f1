/** Randomness, seeded by whoever builds the replica. */
export interface Random {
  /** The next number in [0, 1). */
  next(): number;
}
