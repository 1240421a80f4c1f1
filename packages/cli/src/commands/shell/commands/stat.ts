import { TreekeeperError } from '@treekeeper/client';
import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const stat: ShellCommand = {
  name: 'stat',
  group: 'nodes',
  summary: 'Show versions, times and sizes of a node',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: { w: { meaning: 'Leave a watch that tells the next change; of a missing node, its creation' } },
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    const watch = args.has('w') ? { watch: shell.onDataWatch } : {};
    const found = await shell.client.exists(path, { signal: shell.signal, ...watch });
    if (found === null) {
      throw new TreekeeperError('NO_NODE', { path, operation: 'exists' });
    }
    shell.output.show(statJson(found), statText(found));
  },
};
