import { hostname } from 'node:os';
import { isTreekeeperError } from '@treekeeper/client';
import { Lock } from '@treekeeper/recipes';
import { EXIT, ShellError } from '../explain.ts';
import { hex } from '../format.ts';
import { runWhileHeld, waitingSignal } from '../held-command.ts';
import type { ShellCommand } from '../shell.ts';
import { quoted } from '../tokens.ts';

export const lock: ShellCommand = {
  name: 'lock',
  group: 'coordination',
  summary: 'Run a command while holding a lock, one at a time among all machines',
  parameters: [
    { name: 'path', kind: 'path' },
    { name: 'command', kind: 'command' },
  ],
  flags: {
    t: { value: 'ms', meaning: 'Wait so long at most; exit code 1 then' },
    n: { meaning: 'Do not wait where somebody holds it; exit code 1 then' },
  },
  examples: ['lock /locks/backup -- ./backup.sh', 'lock -n /locks/report -- make report'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const timeoutMs = args.has('n') ? RACE_MS_MAX : args.integer('t', 1);
    const theLock = new Lock(shell.client, path);
    if (args.has('n') && (await theLock.contenders()).length > 0) {
      throw await taken(theLock, path, 'not waited for');
    }
    const signal = waitingSignal(shell, timeoutMs);
    try {
      await using hold = await theLock.acquire({ signal, data: `${hostname()} ${process.pid}` });
      const { exitCode, lost } = await runWhileHeld(shell, hold, args.rest);
      if (lost !== null) {
        throw new ShellError(`${lost}; ${args.rest[0]} was told to end`);
      }
      if (exitCode !== EXIT.ok) {
        throw new ShellError('', null, exitCode);
      }
    } catch (error) {
      if (isTreekeeperError(error, 'ABORTED') && !shell.signal.aborted) {
        throw await taken(theLock, path, `gave up after ${timeoutMs} ms`);
      }
      throw error;
    }
  },
};

/** With -n: how long to wait for somebody who came at the very same time. */
const RACE_MS_MAX = 2000;

/** Says who has it: the shell gives host and process, other programs what they like. */
async function taken(theLock: Lock, path: string, what: string): Promise<ShellError> {
  const [holder] = await theLock.contenders();
  const who = holder === undefined ? 'somebody else' : holder.data || `session ${hex(holder.sessionId)}`;
  return new ShellError(`${path} is held by ${who}; ${what}`, `tree -v ${quoted(path)} shows who waits`);
}
