import { UsageError } from '../../../terminal.ts';
import { type Change, changesTo } from '../locations/location.ts';
import { missing } from '../locations/missing.ts';
import { openLocation } from '../locations/open.ts';
import type { ShellCommand } from '../shell.ts';

export const mirror: ShellCommand = {
  name: 'mirror',
  group: 'trees',
  summary: 'Make one tree exactly as another, deleting what the other does not have',
  parameters: [
    { name: 'from', kind: 'location' },
    { name: 'to', kind: 'location' },
  ],
  flags: {
    n: { meaning: 'Only say what would be done' },
    acl: { meaning: 'New nodes get the ACLs as well' },
  },
  examples: ['mirror -n /app zk://other:2181/app', 'mirror file:conf.d /app/conf'],
  async run(shell, args) {
    const [fromName, toName] = [args.text('from'), args.text('to')];
    await using from = await openLocation(shell, fromName);
    await using to = await openLocation(shell, toName);
    if (from.name === to.name) {
      throw new UsageError(`${from.name} is mirrored onto itself`);
    }
    const source = await from.read({ recursive: true, acls: args.has('acl') });
    if (source === null) {
      throw missing(from, fromName);
    }
    const target = (await to.read({ recursive: true, acls: false })) ?? new Map();
    const changes = changesTo(target, source, { deletes: true });
    if (args.has('n')) {
      const rows = changes.map((change) => ({ change: change.kind, path: pathOf(change) }));
      const lines = rows.map(({ change, path }) => `${change.padEnd(6)}  ${path === '' ? to.name : path}`);
      shell.output.show(rows, lines.join('\n') || 'nothing to do');
      return;
    }
    await shell.withProgress('mirroring', changes.length, (step) => to.apply(changes, step));
    const count = (kind: Change['kind']): number => changes.filter((change) => change.kind === kind).length;
    const counts = { created: count('create'), changed: count('set'), deleted: count('delete') };
    const text = `${counts.created} created, ${counts.changed} changed, ${counts.deleted} deleted`;
    shell.output.show(counts, text);
  },
};

function pathOf(change: Change): string {
  return change.kind === 'delete' ? change.path : change.entry.path;
}
