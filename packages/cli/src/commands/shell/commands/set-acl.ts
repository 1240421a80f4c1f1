import { parseAcl } from '../acl.ts';
import { counted, statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, Slots, walk } from '../walk.ts';

const IN_FLIGHT_MAX = 256;

export const setAcl: ShellCommand = {
  name: 'setAcl',
  group: 'access',
  summary: 'Say who may do what with a node',
  parameters: [
    { name: 'path', kind: 'path' },
    { name: 'acl', kind: 'text' },
  ],
  flags: {
    s: { meaning: 'Show the new stat' },
    v: { value: 'version', meaning: 'Only if the ACL has this version' },
    R: { meaning: 'Of everything below as well' },
  },
  examples: ['setAcl /app world:anyone:r', 'setAcl -R /app auth::cdrwa,ip:10.0.0.0/8:r'],
  async run(shell, args) {
    const top = shell.resolve(args.text('path'));
    const acl = parseAcl(args.text('acl'));
    const { client, signal } = shell;
    if (!args.has('R')) {
      const stat = await client.setAcl(top, acl, { version: args.version, signal });
      shell.output.show({ path: top, stat: statJson(stat) }, args.has('s') ? statText(stat) : '');
      return;
    }
    const skip = (path: string): boolean => path === '/zookeeper';
    const nodes = [...flat(await walk(shell, top, { skip, strict: true }))];
    const slots = new Slots(IN_FLIGHT_MAX);
    const stats = await shell.withProgress('setting', nodes.length, (step) =>
      Promise.all(
        nodes.map(async ({ path }) => {
          const stat = await slots.use(() => client.setAcl(path, acl, { version: args.version, signal }));
          step();
          return { path, stat };
        }),
      ),
    );
    for (const { path, stat } of args.has('s') ? stats : []) {
      shell.output.emit({ path, ...statJson(stat) }, `${path}\n${statText(stat)}`);
    }
    if (!args.has('s')) {
      shell.output.show({ changed: nodes.length }, nodes.length > 1 ? `Changed ${counted(nodes.length, 'node')}` : '');
    }
  },
};
