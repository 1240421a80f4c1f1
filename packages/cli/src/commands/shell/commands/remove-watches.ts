import type { WatchKind } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import type { ShellCommand } from '../shell.ts';

const KINDS: Readonly<Record<string, WatchKind>> = {
  c: 'children',
  d: 'data',
  p: 'persistent',
  r: 'recursive',
  a: 'any',
};

export const removeWatches: ShellCommand = {
  name: 'removewatches',
  group: 'watches',
  summary: "Remove this session's watches of a node",
  parameters: [{ name: 'path', kind: 'path' }],
  flags: {
    c: { meaning: 'Those of children' },
    d: { meaning: 'Those of data' },
    p: { meaning: 'Persistent ones' },
    r: { meaning: 'Persistent recursive ones' },
    a: { meaning: 'All; as without a flag' },
    l: { meaning: 'Also when no server can be asked: the client forgets them in any case' },
  },
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const given = Object.keys(KINDS).filter((flag) => args.has(flag));
    if (given.length > 1) {
      throw new UsageError(`-${given[0]} and -${given[1]} exclude each other; -a removes all`);
    }
    const kind = KINDS[given[0] ?? 'a'];
    await shell.client.removeWatches(path, kind, { signal: shell.signal });
    shell.output.show({ path, removed: kind }, '');
  },
};
