/**
 * Options of calls that go on until they have an answer or the session ends: giving up would leave a node behind, or
 * somebody waiting who is not woken.
 */
export const forever = { timeoutMs: Number.POSITIVE_INFINITY, retry: { attemptsMax: 2 ** 31 - 1 } } as const;
