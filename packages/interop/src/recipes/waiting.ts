/** What cases of the recipes wait for, and expect. */
import assert from 'node:assert/strict';
import { isTreekeeperError } from '@treekeeper/client';
import { isRecipeError } from '@treekeeper/recipes';

/** Asks again and again: each time is a round trip to the server. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    // Nothing: what is waited for needs no time but the servers'.
  }
}

/** The signal fires, or has. */
export async function fired(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  }
}

/** Rejects with this code, of the client or of the recipes. */
export async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => assert.fail(`fulfilled; expected ${code}`),
    (reason: unknown) => reason,
  );
  assert(isTreekeeperError(error) || isRecipeError(error), `${error}`);
  assert.equal(error.code, code);
}
