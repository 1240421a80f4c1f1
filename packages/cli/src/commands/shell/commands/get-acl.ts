import { aclJson, aclText } from '../acl.ts';
import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const getAcl: ShellCommand = {
  name: 'getAcl',
  group: 'access',
  summary: 'Show who may do what with a node',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: { s: { meaning: 'The stat as well' } },
  async run(shell, args) {
    const path = shell.resolve(args.optional('path') ?? '.');
    const { acl, stat } = await shell.client.getAcl(path, { signal: shell.signal });
    const text = aclText(acl);
    if (args.has('s')) {
      shell.output.show({ path, acl: aclJson(acl), stat: statJson(stat) }, `${text}\n${statText(stat)}`);
    } else {
      shell.output.show(aclJson(acl), text);
    }
  },
};
