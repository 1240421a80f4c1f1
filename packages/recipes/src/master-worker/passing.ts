import { type Client, isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '../errors.ts';

/** Codes that end a term or a session, not the client. */
const passing: ReadonlySet<string> = new Set(['SESSION_EXPIRED', 'SESSION_MOVED', 'TIMEOUT', 'NO_NODE']);

/** Whether beginning anew is an answer to what ended a master's term or a worker's shift; if not, that will tell. */
export function isPassing(client: Client, error: unknown): boolean {
  if (isRecipeError(error)) {
    return error.code === 'FENCED' || error.code === 'LOST';
  }
  if (isTreekeeperError(error, 'ABORTED')) {
    return true; // by the end of the term
  }
  const isOver = client.state === 'closed' || client.state === 'expired' || client.state === 'auth-failed';
  return !isOver && isTreekeeperError(error) && (error.retry !== 'pointless' || passing.has(error.code));
}
