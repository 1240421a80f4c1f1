/**
 * Limits that nobody sets: each keeps one thing from growing without end. What users may set is in the table of keys.
 * Names carry their unit; the reason stands beside each.
 */
export const limits = {
  /**
   * Replies and events waiting for a client that does not read them; from here on its requests wait as well. Enough for
   * a full window of a client that is fetching large nodes, little enough that ten thousand idle readers fit in memory.
   */
  connectionOutputPauseBytes: 1 << 20,
  /**
   * So much more than it had asked for when its requests were paused, and the client is cut off. Only events still come
   * for it then, and the answers to some requests that had been taken; a client that has not read for so long has lost
   * track anyway. What it asked for gets through, whatever it is: the children of a node with ten millions of them.
   */
  connectionOutputBytesMax: 128 << 20,
  /**
   * Inputs that one turn takes: chunks of clients' bytes, mostly. Few, so that the disk already writes the first of a
   * flood of transactions while the next are prepared, and answers do not wait for a whole poll's worth of requests;
   * enough that many clients with a request each get their answers in one burst: whoever waits for them is woken once.
   */
  turnInputsMax: 32,
} as const;

/** Checks what the limits must be to each other. Called at the start, since a wrong pair would only show under load. */
export function assertLimits(given: Readonly<Record<keyof typeof limits, number>> = limits): void {
  for (const [name, value] of Object.entries(given)) {
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw new Error(`${name} is ${value}, not a positive integer`);
    }
  }
  if (given.connectionOutputPauseBytes * 2 > given.connectionOutputBytesMax) {
    throw new Error('connectionOutputBytesMax leaves no room for events after connectionOutputPauseBytes');
  }
}
