import { type Client, isTreekeeperError, type SessionState } from '@treekeeper/client';

/** Whether the client goes on with a new session after the old one has expired; waits until it has it. */
export async function renewed(client: Client): Promise<boolean> {
  for await (const state of client.states()) {
    if (state === 'connected') {
      return true;
    }
    if (isFinal(client, state)) {
      return false;
    }
  }
  return false;
}

/** Whether no session comes after this state: one that has expired may have been followed by the next already. */
export function isFinal(client: Client, state: SessionState): boolean {
  return state === 'closed' || state === 'auth-failed' || (state === 'expired' && client.state === 'expired');
}

/** Repeats in the client's next session what the end of one has interrupted, if it has a next one. */
export async function throughSessions<T>(client: Client, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isTreekeeperError(error, 'SESSION_EXPIRED') || !(await renewed(client))) {
        throw error;
      }
    }
  }
}
