import { TreekeeperError } from '@treekeeper/client';
import type { ShellCommand } from '../shell.ts';

export const cd: ShellCommand = {
  name: 'cd',
  group: 'trees',
  summary: 'Go to a node: other paths begin there',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '/');
    if ((await shell.client.exists(path, { signal: shell.signal })) === null) {
      throw new TreekeeperError('NO_NODE', { path, operation: 'exists' });
    }
    shell.cwd = path;
    shell.output.show({ cwd: path }, '');
  },
};
