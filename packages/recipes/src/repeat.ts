import { isTreekeeperError } from '@treekeeper/client';

/**
 * Repeats an attempt whose connection was lost before the answer. `isDone` tells a refusal that says: the lost attempt
 * has succeeded, or what it was for is so anyhow. Null then. A loss is no refusal, however often it comes.
 */
export async function untilAnswered<T>(
  attempt: () => Promise<T>,
  isDone: (error: unknown) => boolean,
): Promise<T | null> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (isTreekeeperError(error, 'CONNECTION_LOSS')) {
        continue; // lost again, which is no refusal
      }
      if (attempts > 1 && isDone(error)) {
        return null;
      }
      throw error;
    }
  }
}

const PAUSE_MIN_MS = 20;
const PAUSE_MAX_MS = 1000;

/** After so many attempts in vain, each longer than the one before; over when the signal fires. */
export function pause(attempts: number, signal?: AbortSignal): Promise<void> {
  const delayMs = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** (attempts - 1));
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal?.addEventListener('abort', end);
    if (signal?.aborted === true) {
      end();
    }
  });
}
