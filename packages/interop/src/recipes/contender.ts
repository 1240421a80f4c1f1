/**
 * A process for the test with kills and pauses: takes the lock again and again and writes to a log while it holds it.
 * It trusts the guard alone: the hold's signal, which would stop it earlier, is not looked at.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, isTreekeeperError } from '@treekeeper/client';
import { type Hold, isRecipeError, Lock } from '@treekeeper/recipes';

const [server = '', name = '', sessionTimeoutMs = '0'] = process.argv.slice(2);
const WRITES = 5;
const BETWEEN_MS_MAX = 10;
const sequential = { mode: 'persistent-sequential' } as const;

const client = await connect(server, { sessionTimeoutMs: Number(sessionTimeoutMs), onExpired: 'new-session' });
const lock = new Lock(client, '/lock');

/** What an interrupted wait or write rejects with; anything else is a fault, and ends the process. */
function isInterruption(error: unknown): boolean {
  const codes = ['SESSION_EXPIRED', 'CONNECTION_LOSS', 'NO_NODE'] as const;
  return codes.some((code) => isTreekeeperError(error, code));
}

async function write(hold: Hold): Promise<void> {
  for (let i = 0; i < WRITES; i++) {
    const entry = `${hold.token} ${name}`;
    await client.create('/unguarded/entry-', entry, sequential);
    await hold.guarded.create('/guarded/entry-', entry, sequential);
    await sleep(Math.random() * BETWEEN_MS_MAX);
  }
}

for (;;) {
  try {
    const hold = await lock.acquire({ data: name, onDisconnect: 'wait' });
    await write(hold).finally(() => hold.release());
  } catch (error) {
    if (isRecipeError(error, 'FENCED')) {
      process.stdout.write('fenced\n');
    } else if (!isInterruption(error)) {
      throw error;
    }
  }
}
