import { TreekeeperError } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import {
  LIMIT_FLAGS,
  limitsJson,
  limitsPath,
  limitsText,
  parseLimits,
  refuseSecondQuota,
  statsPath,
  textAt,
} from '../quota.ts';
import type { ShellCommand } from '../shell.ts';

export const setQuota: ShellCommand = {
  name: 'setquota',
  group: 'access',
  summary: 'Limit the nodes or bytes of a subtree',
  parameters: [{ name: 'path', kind: 'path' }],
  flags: {
    n: { value: 'count', meaning: 'Nodes; more are warned of' },
    b: { value: 'bytes', meaning: 'Bytes of data; more are warned of' },
    N: { value: 'count', meaning: 'Nodes; more are refused' },
    B: { value: 'bytes', meaning: 'Bytes of data; more are refused' },
  },
  examples: ['setquota -N 1000 /app'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const given = LIMIT_FLAGS.filter((flag) => args.has(flag));
    if (given.length === 0) {
      throw new UsageError('no limit is given: -n, -b, -N or -B');
    }
    if (path === '/' || path.startsWith('/zookeeper')) {
      throw new UsageError(`${path} cannot have a quota; give one to a subtree`);
    }
    const { client } = shell;
    if ((await client.exists(path)) === null) {
      throw new TreekeeperError('NO_NODE', { path, operation: 'setquota' });
    }
    await refuseSecondQuota(client, path);
    const before = await textAt(client, limitsPath(path));
    const limits = parseLimits(before ?? '');
    for (const flag of given) {
      limits[flag] = args.integer(flag, -1) as number;
    }
    if (before === null) {
      await client.create(limitsPath(path), limitsText(limits), { createParents: true });
      await client.create(statsPath(path), 'count=0,bytes=0'); // the server fills in what there is
    } else {
      await client.set(limitsPath(path), limitsText(limits));
    }
    shell.output.show({ path, ...limitsJson(limits) }, '');
  },
};
