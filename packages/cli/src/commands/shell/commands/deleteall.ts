import { type Client, isTreekeeperError } from '@treekeeper/client';
import { UsageError } from '../../../terminal.ts';
import { counted } from '../format.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, walk } from '../walk.ts';

const BATCH_DEFAULT = 1000;
/** Of a transaction's paths; servers take requests of a megabyte. */
const BATCH_BYTES_MAX = 500_000;

export const deleteAll: ShellCommand = {
  name: 'deleteall',
  aliases: ['rmr'],
  group: 'nodes',
  summary: 'Delete a node with everything below it; / is refused',
  parameters: [{ name: 'path', kind: 'path' }],
  flags: { b: { value: 'size', meaning: `Nodes deleted in one transaction; ${BATCH_DEFAULT}` } },
  async run(shell, args) {
    const top = shell.resolve(args.text('path'));
    if (top === '/') {
      throw new UsageError('/ is not deleted as a whole; name the nodes below it: deleteall /app');
    }
    const size = args.integer('b', 1, 100_000) ?? BATCH_DEFAULT;
    const nodes = [...flat(await walk(shell, top, { strict: true }))].map(({ path }) => path);
    await shell.withProgress('deleting', nodes.length, async (step) => {
      for (const batch of batches(nodes.reverse(), size)) {
        shell.signal.throwIfAborted();
        await deleteBatch(shell.client, batch);
        step(batch.length);
      }
    });
    const isLong = nodes.length > BATCH_DEFAULT;
    shell.output.show({ deleted: nodes.length }, isLong ? `Deleted ${counted(nodes.length, 'node')}` : '');
  },
};

function* batches(paths: readonly string[], size: number): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    if (batch.length === size || (batch.length > 0 && bytes + path.length > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(path);
    bytes += path.length + 32;
  }
  if (batch.length > 0) {
    yield batch;
  }
}

/** All at once; when somebody else is at work there as well, one by one, with what has been added since. */
async function deleteBatch(client: Client, batch: readonly string[]): Promise<void> {
  let transaction: { delete(path: string): typeof transaction; commit(): Promise<unknown> } = client.transaction();
  for (const path of batch) {
    transaction = transaction.delete(path);
  }
  try {
    await transaction.commit();
  } catch (error) {
    if (!isTreekeeperError(error, 'NO_NODE') && !isTreekeeperError(error, 'NOT_EMPTY')) {
      throw error;
    }
    for (const path of batch) {
      await client.deleteRecursive(path);
    }
  }
}
