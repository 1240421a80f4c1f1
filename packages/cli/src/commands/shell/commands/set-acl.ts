import { isTreekeeperError, type TreekeeperError } from '@treekeeper/client';
import { parseAcl } from '../acl.ts';
import { ShellError } from '../explain.ts';
import { counted, statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, Slots, walk } from '../walk.ts';

const IN_FLIGHT_MAX = 256;
/** Of nodes that keep their ACL; there may be many thousands. */
const PATHS_MAX = 10;

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
    const refused: Refused[] = [];
    const all = await shell.withProgress('setting', nodes.length, (step) =>
      Promise.all(
        nodes.map(async ({ path }) => {
          const stat = await slots
            .use(() => client.setAcl(path, acl, { version: args.version, signal }))
            .catch((error: unknown) => ownFailure(error, path, top, refused));
          step();
          return stat === null ? [] : [{ path, stat }];
        }),
      ),
    );
    const changed = all.flat();
    for (const { path, stat } of args.has('s') ? changed : []) {
      shell.output.emit({ path, ...statJson(stat) }, `${path}\n${statText(stat)}`);
    }
    if (!args.has('s')) {
      const text = nodes.length > 1 ? `Changed ${counted(changed.length, 'node')}` : '';
      shell.output.show({ changed: changed.length }, text);
    }
    tell(refused, nodes.length);
  },
};

interface Refused {
  readonly path: string;
  readonly error: TreekeeperError;
}

/**
 * What is wrong with one node only is noted, and the others get the ACL all the same, as with zkCli. One that has gone
 * meanwhile needs none. Anything else is thrown.
 */
function ownFailure(error: unknown, path: string, top: string, refused: Refused[]): null {
  if (isTreekeeperError(error, 'NO_NODE') && path !== top) {
    return null;
  }
  if (isTreekeeperError(error, 'NO_AUTH') || isTreekeeperError(error, 'BAD_VERSION')) {
    refused.push({ path, error });
    return null;
  }
  throw error;
}

/** @throws what was refused, if anything was */
function tell(refused: readonly Refused[], count: number): void {
  if (refused.length === 0) {
    return;
  }
  if (count === 1) {
    throw refused[0].error;
  }
  const shown = refused.slice(0, PATHS_MAX).map(({ path, error }) => `${path}: ${error.code}`);
  const more = refused.length > PATHS_MAX ? [`and ${refused.length - PATHS_MAX} more`] : [];
  throw new ShellError([`${refused.length} of ${count} nodes keep the ACL they had`, ...shown, ...more].join('\n'));
}
