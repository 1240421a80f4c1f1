import { UsageError } from '../../../terminal.ts';
import { ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import { type Change, changesTo } from '../locations/location.ts';
import { missing } from '../locations/missing.ts';
import { openLocation } from '../locations/open.ts';
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
    f: { meaning: 'Overwrite nodes that are there with other data' },
    acl: { meaning: 'ACLs as well' },
  },
  examples: [
    'cp -r /app /app-copy',
    'cp -r /app zk://other:2181/app',
    'cp -r /app file:app.json',
    'cp -r file:conf.d /app/conf',
  ],
  async run(shell, args) {
    const [fromName, toName] = [args.text('from'), args.text('to')];
    await using from = await openLocation(shell, fromName);
    await using to = await openLocation(shell, toName);
    if (from.name === to.name) {
      throw new UsageError(`${from.name} is copied onto itself`);
    }
    const options = { recursive: args.has('r'), acls: args.has('acl') };
    const source = await from.read(options);
    if (source === null) {
      throw missing(from, fromName);
    }
    const target = (await to.read({ recursive: options.recursive, acls: false })) ?? new Map();
    const changes = changesTo(target, source, { deletes: false });
    const overwritten = changes.filter(({ kind }) => kind === 'set');
    if (overwritten.length > 0 && !args.has('f')) {
      const first = pathOf(overwritten[0]);
      const what = `${counted(overwritten.length, 'node')} of ${to.name} ${overwritten.length === 1 ? 'has' : 'have'}`;
      throw new ShellError(`${what} other data${first === '' ? '' : `, such as ${first}`}`, '-f overwrites them');
    }
    await shell.withProgress('copying', changes.length, (step) => to.apply(changes, step));
    const unchanged = source.size - changes.length;
    const text = `Copied ${counted(changes.length, 'node')}${unchanged > 0 ? `, ${unchanged} were the same already` : ''}`;
    shell.output.show({ copied: changes.length, unchanged }, text);
  },
};

function pathOf(change: Change): string {
  return change.kind === 'delete' ? change.path : change.entry.path;
}
