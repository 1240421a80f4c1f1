import type { CreateModeName } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import { parseAcl } from '../acl.ts';
import type { Arguments } from '../arguments.ts';
import { dataOf } from '../data.ts';
import type { ShellCommand } from '../shell.ts';

const TTL_MS_MAX = 2 ** 40 - 1;

export const create: ShellCommand = {
  name: 'create',
  group: 'nodes',
  summary: 'Make a node',
  parameters: [
    { name: 'path', kind: 'new-path' },
    { name: 'data', kind: 'text', optional: true },
    { name: 'acl', kind: 'text', optional: true },
  ],
  flags: {
    s: { meaning: 'Sequential: the server appends a number' },
    e: { meaning: 'Ephemeral: it goes with this session' },
    c: { meaning: 'Container: the server removes it some time after its last child' },
    t: { value: 'ttl', meaning: 'Removed when it was not set for so many ms, and has no children' },
    p: { meaning: 'Make missing parents' },
    b: { meaning: 'The data are given as base64' },
    f: { value: 'file', meaning: 'Take the data from a file; - is standard input' },
  },
  examples: ['create /app "hello"', 'create -p /services/web/limits 10', 'create -e -s /workers/w- host-7'],
  async run(shell, args) {
    const path = sequentialPath(shell.resolve(args.text('path')), args);
    const acl = args.optional('acl');
    const data = await dataOf(shell, args, 'optional');
    const made = await shell.client.create(path, data, {
      mode: modeOf(args),
      signal: shell.signal,
      ...(args.has('t') && { ttlMs: args.integer('t', 1, TTL_MS_MAX) }),
      ...(acl !== undefined && { acl: parseAcl(acl) }),
      ...(args.has('p') && { createParents: true }),
    });
    shell.output.show({ path: made.path }, `Created ${made.path}`);
  },
};

/** `create -s /queue/` makes /queue/0000000000. */
function sequentialPath(path: string, args: Arguments): string {
  const endsWithSlash = args.text('path').endsWith('/') && path !== '/';
  return args.has('s') && endsWithSlash ? `${path}/` : path;
}

function modeOf(args: Arguments): CreateModeName {
  const kinds = ['e', 'c', 't'].filter((flag) => args.has(flag));
  if (kinds.length > 1) {
    throw new UsageError(`-${kinds[0]} and -${kinds[1]} exclude each other: a node is of one kind`);
  }
  if (args.has('c')) {
    if (args.has('s')) {
      throw new UsageError('-c and -s exclude each other: there are no sequential containers');
    }
    return 'container';
  }
  if (args.has('t')) {
    return args.has('s') ? 'persistent-sequential-ttl' : 'persistent-ttl';
  }
  const kind = args.has('e') ? 'ephemeral' : 'persistent';
  return args.has('s') ? `${kind}-sequential` : kind;
}
