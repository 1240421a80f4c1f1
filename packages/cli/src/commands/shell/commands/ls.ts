import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, walk } from '../walk.ts';

export const ls: ShellCommand = {
  name: 'ls',
  aliases: ['dir'],
  group: 'nodes',
  summary: 'List the children of a node',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: {
    s: { meaning: "The node's stat as well" },
    w: { meaning: 'Leave a watch that tells the next child that comes or goes' },
    R: { meaning: 'Everything below, one path a line' },
    '?': { meaning: 'Show the usage' },
  },
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    if (args.has('?')) {
      shell.output.show('ls [-s] [-w] [-R] path', 'ls [-s] [-w] [-R] path');
      return;
    }
    if (args.has('R')) {
      const paths = [...flat(await walk(shell, path))].map((node) => node.path);
      shell.output.show(paths, paths.join('\n'));
      return;
    }
    const watch = args.has('w') ? { watch: shell.onChildWatch } : {};
    const { children, stat } = await shell.client.childrenWithStat(path, { signal: shell.signal, ...watch });
    const names = [...children].sort();
    const text = `[${names.join(', ')}]`;
    if (args.has('s')) {
      shell.output.show({ path, children: names, stat: statJson(stat) }, `${text}\n${statText(stat)}`);
    } else {
      shell.output.show(names, text);
    }
  },
};
