import type { ShellCommand } from '../shell.ts';

export const getEphemerals: ShellCommand = {
  name: 'getEphemerals',
  group: 'nodes',
  summary: 'List the ephemeral nodes of this session',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '/');
    const paths = (await shell.client.ephemerals(path, { signal: shell.signal })).sort();
    shell.output.show(paths, `[${paths.join(', ')}]`);
  },
};
