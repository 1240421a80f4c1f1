/** Many may read at a time, one may write, all in the order in which they asked. */
import { randomUUID } from 'node:crypto';
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { type Contender, contendersOf, namesIn } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { type Held, Hold, type HoldOptions } from './hold.ts';
import { checkIdentity, nameWith } from './identity.ts';
import type { AcquireOptions, NodeNames } from './lock.ts';
import { join } from './paths.ts';
import { untilAnswered } from './repeat.ts';
import { remove, Seat } from './seat.ts';
import { inSequence } from './sequence.ts';

/** Options of `ReadWriteLock`. */
export interface ReadWriteLockOptions {
  /** Curator's (`__READ__`, `__WRIT__`), or kazoo's (`__rlock__`, `__lock__`). @default 'curator' */
  readonly names?: NodeNames | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leaves a node until its session has timed out; the
   * next run with the same identity ends it at once, whether it was to read or to write, instead of waiting for it. No
   * two programs that live at the same time may have the same: the later one would end what the earlier one holds
   * (whose signal fires).
   */
  readonly identity?: string | undefined;
}

/** As of `Lock.acquire`; nobody is asked to give it up. */
export type ReadWriteAcquireOptions = Omit<AcquireOptions, 'revoke'>;

interface Names {
  readonly read: string;
  readonly write: string;
}

const NAMES: Readonly<Record<NodeNames, Names>> = {
  curator: { read: '__READ__', write: '__WRIT__' },
  kazoo: { read: '__rlock__', write: '__lock__' },
};

function isReader(name: string): boolean {
  return /(?:__READ__|__rlock__)-?\d{9,10}$/.test(name);
}

/** A plain lock on the same path counts as one who writes. */
function isWriter(name: string): boolean {
  return /(?:__WRIT__|__lock__|lock-)-?\d{9,10}$/.test(name);
}

function isContender(name: string): boolean {
  return isReader(name) || isWriter(name);
}

/**
 * A lock that many can have to read, or one to write. Fair: a reader waits for those who asked to write before it, a
 * writer for all before it. Held, lost and guarded as a `Lock`. Who writes can go over to reading (`downgrade`); who
 * reads cannot go over to writing: two who tried would wait for each other.
 *
 * @example
 * ```ts
 * const lock = new ReadWriteLock(client, '/locks/catalogue');
 * const write = await lock.write();
 * await write.guarded.create('/catalogue', 'new');
 * await using read = await write.downgrade(); // nobody has written in between
 * await using other = await lock.read();
 * console.assert(read.state === 'held' && other.state === 'held');
 * ```
 */
export class ReadWriteLock {
  readonly #client: Client;
  readonly #path: string;
  readonly #names: Names;
  readonly #identity: string | undefined;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: ReadWriteLockOptions = {}) {
    checkIdentity(options.identity, path);
    this.#identity = options.identity;
    this.#client = client;
    this.#path = path;
    this.#names = NAMES[options.names ?? 'curator'];
  }

  /**
   * Waits until nobody who asked before is writing or wants to. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH.
   *
   * @example
   * ```ts
   * await using hold = await new ReadWriteLock(client, '/locks/h').read({ signal: AbortSignal.timeout(5000) });
   * console.assert(hold.state === 'held');
   * ```
   */
  async read(options: ReadWriteAcquireOptions = {}): Promise<Hold> {
    const { signal } = options;
    const seat = await this.#seat(this.#names.read, options);
    await seat.waitFor((order, me) => order.slice(0, me).findLast(isWriter) ?? null, signal);
    return new Hold(this.#client, { path: this.#path, node: seat.path, token: seat.token }, options);
  }

  /**
   * Waits until all who asked before are done. Rejects with ABORTED, SESSION_EXPIRED, NO_AUTH.
   *
   * @example
   * ```ts
   * await using hold = await new ReadWriteLock(client, '/locks/i').write({ data: 'host-7' });
   * console.assert(hold.state === 'held');
   * ```
   */
  async write(options: ReadWriteAcquireOptions = {}): Promise<WriteHold> {
    const { signal } = options;
    const seat = await this.#seat(this.#names.write, options);
    await seat.waitFor((order, me) => order[me - 1] ?? null, signal);
    const sequence = seat.name.slice(seat.name.lastIndexOf(this.#names.write) + this.#names.write.length);
    const readName = `_c_${randomUUID()}-${nameWith(this.#identity, this.#names.read)}${sequence}`;
    const held = { path: this.#path, node: seat.path, token: seat.token };
    return new WriteHold(this.#client, held, join(this.#path, readName), options);
  }

  /**
   * All who have the lock or wait for it, in order.
   *
   * @example
   * ```ts
   * console.assert((await new ReadWriteLock(client, '/locks/j').contenders()).length === 0);
   * ```
   */
  async contenders(): Promise<readonly ReadWriteContender[]> {
    const names = inSequence(await namesIn(this.#client, this.#path), isContender);
    const contenders = await contendersOf(this.#client, this.#path, names);
    return contenders.map((contender) => ({ ...contender, wants: isReader(contender.node) ? 'read' : 'write' }));
  }

  #seat(name: string, { data, signal }: ReadWriteAcquireOptions): Promise<Seat> {
    return Seat.take(this.#client, this.#path, {
      name,
      data,
      signal,
      isContender,
      identity: this.#identity,
      namesOfIdentity: Object.values(this.#names),
    });
  }
}

/** One who has a ReadWriteLock, or waits for it. */
export interface ReadWriteContender extends Contender {
  readonly wants: 'read' | 'write';
}

/** The holder's side of a ReadWriteLock that is held to write. */
export class WriteHold extends Hold {
  readonly #client: Client;
  readonly #held: Held;
  readonly #readNode: string;
  readonly #options: ReadWriteAcquireOptions;
  readonly #ending: { run: () => Promise<void> };

  constructor(client: Client, held: Held, readNode: string, options: HoldOptions & ReadWriteAcquireOptions) {
    const ending = { run: (): Promise<void> => remove(client, held.node) };
    super(client, { ...held, remove: () => ending.run() }, options);
    this.#client = client;
    this.#held = held;
    this.#readNode = readNode;
    this.#options = options;
    this.#ending = ending;
  }

  /**
   * Goes over to reading, at the same place in the order and without a gap in which others could write. This hold ends
   * (its signal fires with RELEASED); the new one keeps its token. Rejects with LOST when the lock was lost meanwhile,
   * and RELEASED when it was given up before.
   *
   * @example
   * ```ts
   * const write = await new ReadWriteLock(client, '/locks/k').write();
   * await using read = await write.downgrade();
   * console.assert(write.state === 'released' && read.token === write.token);
   * ```
   */
  async downgrade(): Promise<Hold> {
    const { path, token } = this.#held;
    if (this.state === 'lost' || this.state === 'released') {
      throw new RecipeError(this.state === 'lost' ? 'LOST' : 'RELEASED', path);
    }
    let failure: unknown = null;
    this.#ending.run = async () => {
      try {
        await this.#exchange();
      } catch (error) {
        failure = isTreekeeperError(error, 'NO_NODE') ? new RecipeError('LOST', path, undefined, error) : error;
        await remove(this.#client, this.node);
      }
    };
    await this.release();
    if (failure !== null) {
      throw failure;
    }
    return new Hold(this.#client, { path, node: this.#readNode, token }, this.#options);
  }

  /** One node for the other, in one transaction. */
  async #exchange(): Promise<void> {
    const attempt = (): Promise<unknown> =>
      this.#client
        .transaction()
        .create(this.#readNode, this.#options.data, { mode: 'ephemeral' })
        .delete(this.node)
        .commit(forever);
    await untilAnswered(attempt, (error) => isTreekeeperError(error, 'NODE_EXISTS'));
  }
}
