/** Time, as the replica sees it: constant within a turn, moved by the host's loop (or the simulator) before each. */
export interface Clock {
  /** Monotonic milliseconds from an arbitrary start; deadlines are kept in these. */
  readonly nowMs: number;
  /** Wall clock milliseconds since 1970; only for the times that transactions carry. */
  readonly wallMs: number;
}
