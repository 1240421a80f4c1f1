import { hostname } from 'node:os';
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { Lock } from '@treekeeper/recipes';
import type { ShellCommand } from '../command.ts';
import { EXIT, ShellError } from '../explain.ts';
import { runWhileHeld, waitingSignal } from '../held-command.ts';
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
    if (args.has('n') && (await isTaken(shell.client, path))) {
      throw taken(path, 'was not waited for');
    }
    const signal = waitingSignal(shell, timeoutMs);
    try {
      await using hold = await new Lock(shell.client, path).acquire({ signal, data: `${hostname()} ${process.pid}` });
      const { exitCode, lost } = await runWhileHeld(shell, hold, args.rest);
      if (lost !== null) {
        throw new ShellError(`${lost}; ${args.rest[0]} was told to end`);
      }
      if (exitCode !== EXIT.ok) {
        throw new ShellError('', null, exitCode);
      }
    } catch (error) {
      if (isTreekeeperError(error, 'ABORTED') && !shell.signal.aborted) {
        throw taken(path, `gave up after ${timeoutMs} ms`);
      }
      throw error;
    }
  },
};

/** With -n: how long to wait for somebody who came at the very same time. */
const RACE_MS_MAX = 2000;

async function isTaken(client: Client, path: string): Promise<boolean> {
  return (await client.exists(path)) !== null && (await client.children(path)).length > 0;
}

function taken(path: string, what: string): ShellError {
  const hint = `ls ${quoted(path)} shows who waits; the one with the lowest number holds it`;
  return new ShellError(`${path} is held by somebody else; ${what}`, hint);
}
