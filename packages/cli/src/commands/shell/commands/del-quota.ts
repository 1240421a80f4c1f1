import { isTreekeeperError } from '@treekeeper/client';
import { ShellError } from '../explain.ts';
import { parentOf } from '../paths.ts';
import {
  LIMIT_FLAGS,
  limitsPath,
  limitsText,
  parseLimits,
  QUOTA_ROOT,
  quotaPath,
  statsPath,
  textAt,
} from '../quota.ts';
import type { Shell, ShellCommand } from '../shell.ts';

export const delQuota: ShellCommand = {
  name: 'delquota',
  group: 'access',
  summary: 'Take limits of a subtree away; all without a flag',
  parameters: [{ name: 'path', kind: 'path' }],
  flags: {
    n: { meaning: 'The limit of nodes' },
    b: { meaning: 'The limit of bytes' },
    N: { meaning: 'The hard limit of nodes' },
    B: { meaning: 'The hard limit of bytes' },
  },
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const before = await textAt(shell.client, limitsPath(path));
    if (before === null) {
      throw new ShellError(`quota does not exist for ${path}`);
    }
    const given = LIMIT_FLAGS.filter((flag) => args.has(flag));
    if (given.length === 0) {
      await removeQuota(shell, path);
    } else {
      const limits = parseLimits(before);
      for (const flag of given) {
        limits[flag] = -1;
      }
      await shell.client.set(limitsPath(path), limitsText(limits));
    }
    shell.output.show({ path, removed: given.length === 0 ? LIMIT_FLAGS : given }, '');
  },
};

/** The two nodes, and what then stands empty above them. */
async function removeQuota({ client }: Shell, path: string): Promise<void> {
  await client.delete(statsPath(path), { idempotent: true }).catch(ignoreMissing);
  await client.delete(limitsPath(path), { idempotent: true });
  for (let node = quotaPath(path); node !== QUOTA_ROOT; node = parentOf(node)) {
    try {
      await client.delete(node);
    } catch (error) {
      if (isTreekeeperError(error, 'NOT_EMPTY') || isTreekeeperError(error, 'NO_NODE')) {
        return;
      }
      throw error;
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!isTreekeeperError(error, 'NO_NODE')) {
    throw error;
  }
}
