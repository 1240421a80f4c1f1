/** Reading a whole subtree: pipelined, so that the round trips do not add up. */
import { type Client, isTreekeeperError, nullableBytes, type Stat } from '@treekeeper/client';
import { joinPath } from './paths.ts';
import type { Shell } from './shell.ts';

/** Requests that are under way at the same time. */
const IN_FLIGHT_MAX = 256;

export interface WalkedNode {
  readonly path: string;
  /** How many steps below the top. */
  readonly depth: number;
  readonly stat: Stat;
  /** Null: it has none, or they were not asked for. */
  readonly data: Uint8Array | null;
  /** Sorted by name. */
  readonly children: readonly WalkedNode[];
}

export interface WalkOptions {
  /** Reads data as well. */
  readonly data?: boolean;
  /** Steps below the top. */
  readonly depthMax?: number;
  /** What is not looked into, nor shown. */
  readonly skip?: (path: string) => boolean;
  /** A node that may not be read is an error, for what must be whole. */
  readonly strict?: boolean;
  /** Another session than the shell's. */
  readonly client?: Client;
}

/**
 * The subtree at `top`. Nodes that go away meanwhile are left out; of nodes that may not be read it says so once. Rejects
 * with NO_NODE when the top itself is not there.
 */
export async function walk(shell: Shell, top: string, options: WalkOptions = {}): Promise<WalkedNode> {
  const { signal } = shell;
  const client = options.client ?? shell.client;
  const isUnread = { count: 0, first: '' };
  const slots = new Slots(IN_FLIGHT_MAX);

  const visit = async (path: string, depth: number, step: () => void): Promise<WalkedNode | null> => {
    signal.throwIfAborted();
    const read = await slots
      .use(() => readNode(path))
      .catch((error: unknown) => {
        if (path !== top && isTreekeeperError(error, 'NO_NODE')) {
          return null;
        }
        if (path !== top && !options.strict && isTreekeeperError(error, 'NO_AUTH')) {
          isUnread.first ||= path;
          isUnread.count++;
          return null;
        }
        throw error;
      });
    if (read === null) {
      return null;
    }
    step();
    const names = depth === (options.depthMax ?? Number.POSITIVE_INFINITY) ? [] : [...read.children].sort();
    const paths = names.map((name) => joinPath(path, name)).filter((child) => !options.skip?.(child));
    const children = await Promise.all(paths.map((child) => visit(child, depth + 1, step)));
    return {
      path,
      depth,
      stat: read.stat,
      data: read.data,
      children: children.filter((child) => child !== null),
    };
  };

  const readNode = async (path: string) => {
    const [{ children, stat }, data] = await Promise.all([
      client.childrenWithStat(path, { signal }),
      options.data ? client.get(path, { signal, codec: nullableBytes }).then(({ value }) => value) : null,
    ]);
    return { children, stat, data };
  };

  const root = (await shell.withProgress('reading', null, (step) => visit(top, 0, step))) as WalkedNode;
  if (isUnread.count > 0) {
    shell.note(`${isUnread.count} not readable and left out, such as ${isUnread.first}`);
  }
  return root;
}

/** The nodes, each before its children. */
export function* flat(node: WalkedNode): Generator<WalkedNode> {
  yield node;
  for (const child of node.children) {
    yield* flat(child);
  }
}

/** At most so many at a time; others wait in their order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free === 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#free--;
    }
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#free++;
      } else {
        next();
      }
    }
  }
}
