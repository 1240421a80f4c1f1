/** Who holds something and who waits for it, as anybody can see. */
import { type CallOptions, type Client, isTreekeeperError } from '@treekeeper/client';
import { REVOKE_MESSAGE } from './hold.ts';
import { join } from './paths.ts';

/** One who holds something or waits for it. */
export interface Contender {
  /** The path of its node. */
  readonly node: string;
  /** What it gave as `data`, as text; '' once it has been asked to give up. */
  readonly data: string;
  readonly token: bigint;
  /** Of the session that the node ends with. */
  readonly sessionId: bigint;
  /** Whether it has been asked to give up. */
  readonly isRevoked: boolean;
}

/** Those of the names that are still there, in the order given. */
export async function contendersOf(
  client: Client,
  directory: string,
  names: readonly string[],
): Promise<readonly Contender[]> {
  const contenders = await Promise.all(names.map((name) => contenderAt(client, join(directory, name))));
  return contenders.filter((contender) => contender !== null);
}

async function contenderAt(client: Client, node: string): Promise<Contender | null> {
  const found = await orNull(client.get(node));
  if (found === null) {
    return null;
  }
  const { value, stat } = found;
  const text = new TextDecoder().decode(value);
  const isRevoked = text === REVOKE_MESSAGE;
  return { node, data: isRevoked ? '' : text, token: stat.czxid, sessionId: stat.ephemeralOwner, isRevoked };
}

/** Names of the children; none where there is no such node. */
export async function namesIn(client: Client, directory: string, options?: CallOptions): Promise<string[]> {
  return (await orNull(client.children(directory, options))) ?? [];
}

/** Null instead of NO_NODE. */
export async function orNull<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (isTreekeeperError(error, 'NO_NODE')) {
      return null;
    }
    throw error;
  }
}
