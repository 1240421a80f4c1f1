import { nullableBytes } from '@treekeeper/client';
import { dataJson, dataText, hexDump, statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const get: ShellCommand = {
  name: 'get',
  aliases: ['cat'],
  group: 'nodes',
  summary: 'Show the data of a node',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: {
    s: { meaning: 'The stat as well' },
    w: { meaning: 'Leave a watch that tells the next change' },
    b: { meaning: 'Data as base64' },
    x: { meaning: 'Data as a hex dump' },
  },
  examples: ['get -s /app', 'get -w config/limits'],
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    const { value, stat } = await shell.client.get(path, {
      codec: nullableBytes,
      signal: shell.signal,
      ...(args.has('w') && { watch: shell.onDataWatch }),
    });
    const base64 = Buffer.from(value ?? []).toString('base64');
    const text = args.has('b') ? base64 : args.has('x') ? hexDump(value ?? new Uint8Array()) : dataText(value);
    const data = args.has('b') || args.has('x') ? { dataBase64: base64 } : dataJson(value);
    shell.output.show(
      { path, ...data, ...(args.has('s') && { stat: statJson(stat) }) },
      args.has('s') ? `${text}\n${statText(stat)}` : text,
    );
  },
};
