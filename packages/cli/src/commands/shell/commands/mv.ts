import { type Client, isTreekeeperError, nullableBytes } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import { isMasked, MASKED_HINT } from '../acl.ts';
import { ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import { kindOf } from '../node-kind.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, type WalkedNode, walk } from '../walk.ts';

/** Of a transaction: servers take requests of a megabyte. */
const TRANSACTION_BYTES_MAX = 900_000;
/** What a node costs in it besides path and data: ACL, headers, the deletion. */
const NODE_BYTES = 200;

export const mv: ShellCommand = {
  name: 'mv',
  group: 'nodes',
  summary: 'Move a node with everything below it, at one moment; refused if somebody changes it meanwhile',
  parameters: [
    { name: 'from', kind: 'path' },
    { name: 'to', kind: 'new-path' },
  ],
  examples: ['mv /app/config /app/config-old'],
  async run(shell, args) {
    const [from, to] = [shell.resolve(args.text('from')), shell.resolve(args.text('to'))];
    if (from === '/' || to === from || to.startsWith(`${from}/`)) {
      throw new UsageError(`${from} cannot be moved to ${to}`);
    }
    const nodes = [...flat(await walk(shell, from, { data: true, strict: true }))];
    const bytes = nodes.reduce((sum, { path, data }) => sum + 2 * path.length + (data?.length ?? 0) + NODE_BYTES, 0);
    if (bytes > TRANSACTION_BYTES_MAX) {
      const hint = `cp -r --acl and then deleteall do it, but not at one moment`;
      throw new ShellError(`${from} is too large to be moved: ${counted(nodes.length, 'node')}`, hint);
    }
    const mortal = nodes.find(({ stat }) => kindOf(stat) === 'ephemeral');
    if (mortal !== undefined) {
      throw new ShellError(`${mortal.path} is ephemeral: it belongs to a session, and cannot be moved`);
    }
    await move(shell.client, nodes, (path) => to + path.slice(from.length), shell.signal);
    shell.output.show({ moved: nodes.length, from, to }, `Moved ${counted(nodes.length, 'node')}`);
  },
};

async function move(
  client: Client,
  nodes: readonly WalkedNode[],
  target: (path: string) => string,
  signal: AbortSignal,
): Promise<void> {
  const acls = await Promise.all(nodes.map(({ path }) => client.getAcl(path, { signal })));
  const masked = acls.findIndex(({ acl }) => isMasked(acl));
  if (masked !== -1) {
    throw new ShellError(`${nodes[masked].path} shows its ACL without the hash of a password`, MASKED_HINT);
  }
  type Steps = {
    create(path: string, value: Uint8Array | null, options: object): Steps;
    check(path: string, version: number): Steps;
    delete(path: string, options?: object): Steps;
    commit(options: object): Promise<unknown>;
  };
  let steps = client.transaction() as unknown as Steps;
  for (const [i, { path, data }] of nodes.entries()) {
    steps = steps.create(target(path), data, { codec: nullableBytes, acl: acls[i]?.acl });
  }
  for (const { path, stat } of nodes.toReversed()) {
    steps = steps.delete(path, { version: stat.version }); // children that have come meanwhile refuse it as well
  }
  try {
    await steps.commit({ signal });
  } catch (error) {
    const isChanged = ['BAD_VERSION', 'NOT_EMPTY'].some((code) => isTreekeeperError(error) && error.code === code);
    if (isChanged && isTreekeeperError(error)) {
      throw new ShellError(`${error.path} was changed by somebody else meanwhile: nothing was moved`, 'try it again');
    }
    throw error;
  }
}
