/** What masters and workers outlive: they begin anew, and what makes that useless they tell. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '../errors.ts';
import { pause } from '../repeat.ts';

/** Codes that end a term or a shift, not the client: a node that is missing is made, and a quota may get room. */
const passing: ReadonlySet<string> = new Set([
  'SESSION_EXPIRED',
  'SESSION_MOVED',
  'TIMEOUT',
  'NO_NODE',
  'QUOTA_EXCEEDED',
]);

/**
 * Terms of a master, or shifts of a worker, one after another until the signal fires. One that ended with what it held
 * is followed at once; one that could not begin or go on, behind a pause that gets longer each time. Rejects with what
 * beginning anew is no answer to.
 */
export async function inTerms(client: Client, signal: AbortSignal, term: () => Promise<void>): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      await term();
      failures = 0;
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      if (isEnd(error)) {
        failures = 0;
      } else if (isPassing(client, error)) {
        failures += 1;
        await pause(failures, signal);
      } else {
        throw error;
      }
    }
  }
}

/** Of what was held. */
function isEnd(error: unknown): boolean {
  return isRecipeError(error, 'FENCED') || isRecipeError(error, 'LOST') || isTreekeeperError(error, 'ABORTED');
}

function isPassing(client: Client, error: unknown): boolean {
  const isOver = client.state === 'closed' || client.state === 'expired' || client.state === 'auth-failed';
  return !isOver && isTreekeeperError(error) && (error.retry !== 'pointless' || passing.has(error.code));
}
