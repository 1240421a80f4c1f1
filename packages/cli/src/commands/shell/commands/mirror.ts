import { UsageError } from '../../../terminal.ts';
import type { Change } from '../locations/location.ts';
import { openLocation } from '../locations/open.ts';
import { pathOf, planTransfer } from '../locations/transfer.ts';
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
    acl: { meaning: 'ACLs as well' },
    'whole-tree': { meaning: 'Needed where the other tree is to be /, all that there is' },
  },
  examples: [
    'mirror -n /app zk://other:2181/app',
    'mirror file:conf.d /app/conf',
    'mirror --acl --whole-tree zk://old:2181/ /',
  ],
  async run(shell, args) {
    const [fromName, toName] = [args.text('from'), args.text('to')];
    await using from = await openLocation(shell, fromName);
    await using to = await openLocation(shell, toName);
    if (from.name === to.name) {
      throw new UsageError(`${from.name} is mirrored onto itself`);
    }
    if (to.isRoot && !args.has('whole-tree') && !args.has('n')) {
      throw new UsageError(
        `${to.name} is the root: all that ${from.name} does not have would be deleted; ` +
          '--whole-tree says that this is meant, -n shows what it would do',
      );
    }
    const options = { fromName, recursive: true, acls: args.has('acl'), deletes: true };
    const { changes } = await planTransfer(from, to, options);
    if (args.has('n')) {
      const rows = changes.map((change) => ({ change: nameOf(change), path: pathOf(change) }));
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

function nameOf(change: Change): string {
  return change.kind === 'set' && !change.data ? 'setAcl' : change.kind;
}
