import type { TreekeeperError } from '@treekeeper/client';

/** NOT_READ_ONLY too, which other calls do not repeat: a full disk passes, and the session outlives it. */
const when = ({ retry }: TreekeeperError): boolean => retry === 'safe';

/**
 * Options of calls that go on until they have an answer or the session ends: giving up would leave a node behind, or
 * somebody waiting who is not woken.
 */
export const forever = { timeoutMs: Number.POSITIVE_INFINITY, retry: { attemptsMax: 2 ** 31 - 1, when } } as const;
