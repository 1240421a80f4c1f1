import { UsageError } from '../../../terminal.ts';
import { ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import type { Change } from '../locations/location.ts';
import { openLocation } from '../locations/open.ts';
import { planTransfer, suchAs } from '../locations/transfer.ts';
import type { ShellCommand } from '../shell.ts';

export const cp: ShellCommand = {
  name: 'cp',
  group: 'trees',
  summary: 'Copy nodes: here, to another server, to or from files',
  parameters: [
    { name: 'from', kind: 'location' },
    { name: 'to', kind: 'location' },
  ],
  flags: {
    r: { meaning: 'With everything below' },
    f: { meaning: 'Overwrite nodes that are there with other data, or with --acl other ACLs' },
    acl: { meaning: 'ACLs as well, of nodes that are there, too' },
  },
  examples: [
    'cp -r /app /app-copy',
    'cp -r /app zk://other:2181/app',
    'cp -r /app file:app.json',
    'cp -r --acl / file:backup.json',
    'cp -r --acl -f file:backup.json /',
    'cp -r file:conf.d /app/conf',
  ],
  async run(shell, args) {
    const [fromName, toName] = [args.text('from'), args.text('to')];
    await using from = await openLocation(shell, fromName);
    await using to = await openLocation(shell, toName);
    if (from.name === to.name) {
      throw new UsageError(`${from.name} is copied onto itself`);
    }
    const options = { fromName, recursive: args.has('r'), acls: args.has('acl'), deletes: false };
    const { source, changes } = await planTransfer(from, to, options);
    const overwritten = changes.filter((change) => change.kind === 'set');
    if (overwritten.length > 0 && !args.has('f')) {
      const what = `${counted(overwritten.length, 'node')} of ${to.name} ${overwritten.length === 1 ? 'has' : 'have'}`;
      const example = suchAs(overwritten.map(({ entry }) => entry));
      throw new ShellError(`${what} other ${whatOf(overwritten)}${example}`, '-f overwrites them');
    }
    await shell.withProgress('copying', changes.length, (step) => to.apply(changes, step));
    const unchanged = source.size - changes.length;
    const text = `Copied ${counted(changes.length, 'node')}${unchanged > 0 ? `, ${unchanged} were the same already` : ''}`;
    shell.output.show({ copied: changes.length, unchanged }, text);
  },
};

function whatOf(changes: readonly (Change & { kind: 'set' })[]): string {
  const parts = [
    ...(changes.some(({ data }) => data) ? ['data'] : []),
    ...(changes.some(({ acl }) => acl) ? ['ACLs'] : []),
  ];
  return parts.join(' or ');
}
