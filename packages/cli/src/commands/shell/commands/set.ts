import { dataOf } from '../data.ts';
import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const set: ShellCommand = {
  name: 'set',
  group: 'nodes',
  summary: 'Change the data of a node',
  parameters: [
    { name: 'path', kind: 'path' },
    { name: 'data', kind: 'text', optional: true },
  ],
  flags: {
    s: { meaning: 'Show the new stat' },
    v: { value: 'version', meaning: 'Only if the data have this version' },
    b: { meaning: 'The data are given as base64' },
    f: { value: 'file', meaning: 'Take the data from a file; - is standard input' },
  },
  examples: ['set /app "two words"', 'set -v 3 /app new', 'set /app/key -f key.pem'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const data = await dataOf(shell, args, 'required');
    const stat = await shell.client.set(path, data, { version: args.version, signal: shell.signal });
    shell.output.show({ path, stat: statJson(stat) }, args.has('s') ? statText(stat) : '');
  },
};
