/** The tries of a task, whoever has them: a try is found by its name, and no index of them is kept. */
import {
  type Client,
  isTreekeeperError,
  type ReadRequest,
  type ReadResult,
  type TreekeeperError,
} from '@treekeeper/client';
import { forever } from '../forever.ts';
import { join } from '../paths.ts';
import { type Layout, type Try, tryNamed } from './queue.ts';

/** A try in the tree. */
export interface TryNode extends Try {
  readonly path: string;
  readonly version: number;
}

/** Folders, or tries, in one request. */
const READS_MAX = 64;

/**
 * All tries of a task, of all its lives. The folders are read one after another: of a life that is not over, a try
 * that moves meanwhile may be missed. Of those that are over all are found, for their tries do not move.
 */
export async function triesOf(client: Client, layout: Layout, id: string): Promise<TryNode[]> {
  const folders = (await client.children(layout.assigned, forever)).map((worker) => layout.folder(worker));
  const listed = await readAll(
    client,
    folders.map((children) => ({ children })),
  );
  const tries = listed.flatMap((result, i) =>
    isGone(result) ? [] : result.children.map((name) => ({ name, path: join(folders[i] as string, name) })),
  );
  const named = tries.flatMap(({ name, path }) => {
    const known = tryNamed(name);
    return known?.id === id ? [{ ...known, path }] : [];
  });
  const found = await readAll(
    client,
    named.map(({ path }) => ({ get: path })),
  );
  return named.flatMap((known, i) => {
    const result = found[i] as ReadResult<{ get: string }>;
    return isGone(result) ? [] : [{ ...known, version: result.stat.version }];
  });
}

/** In the order asked for. */
async function readAll<R extends ReadRequest>(client: Client, reads: readonly R[]): Promise<ReadResult<R>[]> {
  const results: ReadResult<R>[] = [];
  for (let i = 0; i < reads.length; i += READS_MAX) {
    results.push(...(await client.multiRead(reads.slice(i, i + READS_MAX), forever)));
  }
  return results;
}

/** Removed since it was listed. */
function isGone(result: object): result is { readonly error: TreekeeperError } {
  if (!('error' in result)) {
    return false;
  }
  if (!isTreekeeperError(result.error, 'NO_NODE')) {
    throw result.error;
  }
  return true;
}
