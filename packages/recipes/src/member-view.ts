import { setMaxListeners } from 'node:events';
import {
  type CallOptions,
  type Client,
  type Codec,
  isTreekeeperError,
  type NodeValue,
  TreekeeperError,
} from '@treekeeper/client';
import { Bell } from './bell.ts';
import { namesIn, orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { eventsOf, patiently } from './events.ts';
import { type Live, LiveValue } from './live.ts';
import { join, nameOf } from './paths.ts';

/** One of a group, as others see it. */
export interface Member<T = string> {
  readonly name: string;
  readonly data: T;
  readonly sessionId: bigint;
  /** The zxid of its coming: rises with everybody who joins. */
  readonly joinedZxid: bigint;
}

/** A member as it was read last. */
interface Seen<T> {
  readonly mzxid: bigint;
  readonly member: Member<T>;
}

/**
 * The children of a node as a live map: read once, and then child by child as they change. Not the client's
 * ChildrenCache, which drops a child at the news of its deletion: a name that is taken over goes and comes in one
 * transaction, and is looked at behind it, so nobody sees the member missing. A member that is the same as before is
 * the same object.
 */
export class MemberView<T> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T, never>;
  readonly #onInvalid: (error: RecipeError) => void;
  /** Names to be read again, and whether all are. */
  readonly #dirty = new Set<string>();
  #isStale = false;
  #hasRead = false;
  readonly #bell = new Bell();
  readonly #seen = new Map<string, Seen<T>>();
  /** Whether all that was told has been read. */
  #isSettled = false;
  readonly #settled = new Bell();

  constructor(client: Client, path: string, codec: Codec<T, never>, onInvalid: (error: RecipeError) => void) {
    this.#client = client;
    this.#path = path;
    this.#codec = codec;
    this.#onInvalid = onInvalid;
  }

  async readAll(options: CallOptions): Promise<ReadonlyMap<string, Member<T>>> {
    const names = await namesIn(this.#client, this.#path, options);
    const members = await Promise.all(names.map((name) => this.#read(name, options)));
    const present = new Map(members.filter((member) => member !== null).map((member) => [member.name, member]));
    for (const name of this.#seen.keys()) {
      if (!present.has(name)) {
        this.#seen.delete(name);
      }
    }
    return present;
  }

  async open(): Promise<Live<ReadonlyMap<string, Member<T>>>> {
    const stop = new AbortController();
    setMaxListeners(0, stop.signal); // one for each read on its way
    const live = new LiveValue<ReadonlyMap<string, Member<T>>>(new Map(), () => stop.abort());
    const isRead = this.#settled.next();
    const following = this.#follow(live, stop.signal).finally(() => stop.abort());
    following
      .then(
        () => live.end(),
        (error: unknown) => live.end(this.#client.state === 'closed' ? null : error),
      )
      .finally(() => this.#settle());
    await Promise.race([isRead, following]);
    if (!this.#hasRead) {
      throw new TreekeeperError('CLOSED', { operation: 'watch', path: this.#path });
    }
    return live;
  }

  /** Fulfils when the live map shows all that had happened before this call, or has ended. */
  async sync(options?: CallOptions): Promise<void> {
    await this.#client.sync(this.#path, options);
    await new Promise(setImmediate); // by then all events told before the answer have been taken up
    while (!this.#isSettled) {
      await this.#settled.next();
    }
  }

  #settle(): void {
    this.#isSettled = true;
    this.#settled.ring();
  }

  /** Until the live map or the client is closed; rejects with what makes it impossible to go on. */
  async #follow(live: LiveValue<ReadonlyMap<string, Member<T>>>, signal: AbortSignal): Promise<void> {
    const terms = patiently(this.#client, signal);
    let isOver = false;
    const listening = this.#listen(signal).finally(() => {
      isOver = true;
      this.#bell.ring();
    });
    listening.catch(() => undefined); // told below, unless a read fails before
    for (;;) {
      const rung = this.#bell.next();
      if (isOver) {
        return await listening;
      }
      if (this.#isStale) {
        this.#isStale = false;
        this.#dirty.clear();
        live.set(await this.readAll(terms));
        this.#hasRead = true;
      } else if (this.#dirty.size > 0) {
        live.set(await this.#refreshed(live.current, terms));
      } else {
        if (this.#hasRead) {
          this.#settle();
        }
        await rung;
        this.#isSettled = false;
      }
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    for await (const { type, path } of eventsOf(this.#client, this.#path, true, signal)) {
      if (type === 'gap' || path === this.#path) {
        this.#isStale = true;
      } else {
        this.#dirty.add(nameOf(path));
      }
      this.#bell.ring();
    }
  }

  async #refreshed(
    members: ReadonlyMap<string, Member<T>>,
    options: CallOptions,
  ): Promise<ReadonlyMap<string, Member<T>>> {
    const names = [...this.#dirty];
    this.#dirty.clear();
    const read = await Promise.all(names.map((name) => this.#read(name, options)));
    const next = new Map(members);
    for (const [i, name] of names.entries()) {
      const member = read[i] ?? null;
      if (member === null) {
        next.delete(name);
      } else {
        next.set(name, member);
      }
    }
    return next;
  }

  async #read(name: string, callOptions: CallOptions): Promise<Member<T> | null> {
    const node = join(this.#path, name);
    try {
      const options = { codec: this.#codec, ...callOptions };
      const found = await orNull(this.#client.get(node, options));
      return found === null ? this.#forget(name) : this.#remember(name, found);
    } catch (error) {
      if (!isTreekeeperError(error, 'INVALID_VALUE') && !isTreekeeperError(error, 'NO_AUTH')) {
        throw error;
      }
      const what = error.code === 'NO_AUTH' ? 'it may not be read' : 'the codec does not take its data';
      this.#onInvalid(new RecipeError('INVALID_DATA', node, `${what}: ${error.message}`, error));
      return this.#forget(name);
    }
  }

  #forget(name: string): null {
    this.#seen.delete(name);
    return null;
  }

  #remember(name: string, { value, stat }: NodeValue<T>): Member<T> {
    const { mzxid, czxid, ephemeralOwner } = stat;
    const seen = this.#seen.get(name);
    if (seen?.mzxid === mzxid) {
      return seen.member;
    }
    const member = { name, data: value, sessionId: ephemeralOwner, joinedZxid: czxid };
    this.#seen.set(name, { mzxid, member });
    return member;
  }
}
