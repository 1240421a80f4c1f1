import { hostname } from 'node:os';
import { isTreekeeperError } from '@treekeeper/client';
import { Election } from '@treekeeper/recipes';
import { EXIT, ShellError } from '../explain.ts';
import { type Ended, runWhileHeld } from '../held-command.ts';
import type { Shell, ShellCommand } from '../shell.ts';

export const elect: ShellCommand = {
  name: 'elect',
  group: 'coordination',
  summary: 'Run a command while being the leader; stand again when the leadership is lost',
  parameters: [
    { name: 'path', kind: 'path' },
    { name: 'command', kind: 'command' },
  ],
  flags: { d: { value: 'data', meaning: 'Shown to whoever looks who stands; host and process without it' } },
  examples: ['elect /leaders/scheduler -- ./scheduler'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const data = args.flag('d') ?? `${hostname()} ${process.pid}`;
    for (;;) {
      const { exitCode, lost } = await leadOnce(shell, path, data, args.rest);
      if (lost === null) {
        if (exitCode !== EXIT.ok) {
          throw new ShellError('', null, exitCode);
        }
        return;
      }
      shell.signal.throwIfAborted();
      shell.note(`${lost}; standing again`);
    }
  },
};

/** A session that expired while waiting is begun anew. */
async function leadOnce(shell: Shell, path: string, data: string, command: readonly string[]): Promise<Ended> {
  try {
    await using leadership = await new Election(shell.client, path).campaign({ signal: shell.signal, data });
    shell.note(`leading ${path}`);
    return await runWhileHeld(shell, leadership, command);
  } catch (error) {
    if (!isTreekeeperError(error, 'SESSION_EXPIRED')) {
      throw error;
    }
    await shell.connect();
    return { exitCode: EXIT.ok, lost: 'the session expired' };
  }
}
