import type { ShellCommand } from '../shell.ts';

export const deleteNode: ShellCommand = {
  name: 'delete',
  aliases: ['rm'],
  group: 'nodes',
  summary: 'Delete a node that has no children',
  parameters: [{ name: 'path', kind: 'path' }],
  flags: { v: { value: 'version', meaning: 'Only if the data have this version' } },
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    await shell.client.delete(path, { version: args.version, signal: shell.signal });
    shell.output.show({ deleted: path }, '');
  },
};
