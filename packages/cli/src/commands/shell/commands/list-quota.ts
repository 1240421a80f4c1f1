import { ShellError } from '../explain.ts';
import { limitsJson, limitsPath, parseLimits, statsPath, textAt } from '../quota.ts';
import type { ShellCommand } from '../shell.ts';

export const listQuota: ShellCommand = {
  name: 'listquota',
  group: 'access',
  summary: 'Show the quota of a subtree, and what is used of it',
  parameters: [{ name: 'path', kind: 'path' }],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const limits = await textAt(shell.client, limitsPath(path));
    if (limits === null) {
      throw new ShellError(`quota for ${path} does not exist.`, `setquota -N 1000 ${path} makes one`);
    }
    const used = (await textAt(shell.client, statsPath(path))) ?? 'count=0,bytes=0';
    const { n, b } = parseLimits(used);
    shell.output.show(
      { path, limits: limitsJson(parseLimits(limits)), used: { count: n, bytes: b } },
      `absolute path is ${limitsPath(path)}\nOutput quota for ${path} ${limits}\nOutput stat for ${path} ${used}`,
    );
  },
};
