import { setMaxListeners } from 'node:events';
import {
  type CallOptions,
  type Client,
  type Codec,
  isTreekeeperError,
  nullableBytes,
  type WatchEventType,
} from '@treekeeper/client';
import { Bell } from './bell.ts';
import { orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { eventsOf, patiently } from './events.ts';
import { isMessageName } from './message-names.ts';
import { join, nameOf } from './paths.ts';
import { compareSequences, inSequence, sequenceOf } from './sequence.ts';

/** Options of `Topic.subscribe`. */
export interface SubscribeOptions {
  /** With what to begin: what comes, all that is kept, or what came behind a position. @default 'now' */
  readonly from?: 'now' | 'start' | { readonly after: bigint } | undefined;
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
  /** Told of messages that the codec refuses; they are passed over. Without it the loop throws INVALID_DATA. */
  readonly onInvalid?: ((error: RecipeError, position: bigint) => void) | undefined;
}

/** A message, as subscribers get it. */
export interface Message<T> {
  readonly value: T;
  /** Rises from message to message; keep it to go on behind this one. */
  readonly position: bigint;
  /** By the server's clock. */
  readonly publishedAtMs: number;
  /** Messages before this one were kept no longer, and are missing. After a resumption: they may be. */
  readonly missed: boolean;
}

/** Messages that are read ahead of the loop. */
const READ_AHEAD = 32;
/** Names of messages that wait to be read; beyond it they are found by listing the topic again. */
const PENDING_MAX = 10_000;

/** The number of a topic's first message. */
const FIRST = 0;

interface Pending {
  readonly name: string;
  /** The one before it had not the number before. */
  readonly isBehindGap: boolean;
}

/** Null: it is not kept any more. */
type Read<T> = { readonly message: Message<T> } | { readonly error: RecipeError; readonly position: bigint } | null;

/**
 * The messages of a topic, in their order, each once: an async iterable. It goes on through lost connections and, if
 * the client begins new ones, through sessions, without loss, as long as what it has not read is still kept. It ends
 * with `close`, its signal or the client.
 *
 * @example
 * ```ts
 * const topic = new Topic(client, '/topics/news');
 * const position = await topic.publish('read before the restart');
 * await topic.publish('published meanwhile');
 * await using news = await topic.subscribe({ from: { after: position } });
 * for await (const message of news) {
 *   console.assert(message.value === 'published meanwhile' && !message.missed);
 *   break;
 * }
 * ```
 */
export class Subscription<T = string> implements AsyncIterableIterator<Message<T>>, AsyncDisposable {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #onInvalid: SubscribeOptions['onInvalid'];
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  readonly #terms: CallOptions;
  /** Rung by events, and at the end. */
  readonly #bell = new Bell();
  /** Not read yet, in their order; and what is being read, which comes before them. */
  #pending: Pending[] = [];
  readonly #reads: Promise<Read<T>>[] = [];
  /** Events may have been missed, or passed over: what is new is found by listing. */
  #mustList = true;
  #isListing = false;
  /** Of the topic's node, which may be removed and made again; null: there is none. */
  #czxid: bigint | null = null;
  /** The number of the last message that was taken up from this node, or could be; null: not known. */
  #last: number | null = null;
  #hasMissed = false;
  #failure: unknown = null;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(client: Client, path: string, codec: Codec<T>, options: SubscribeOptions) {
    this.#client = client;
    this.#path = path;
    this.#codec = codec;
    this.#onInvalid = options.onInvalid;
    this.#signal = options.signal;
    setMaxListeners(0, this.#stop.signal); // one for each read on its way
    this.#terms = patiently(client, this.#stop.signal);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (this.#signal?.aborted === true) {
      void this.close();
    }
  }

  /** See `Topic.subscribe`. */
  static async open<T>(
    client: Client,
    path: string,
    codec: Codec<T>,
    options: SubscribeOptions,
  ): Promise<Subscription<T>> {
    const subscription = new Subscription(client, path, codec, options);
    const isWatching = subscription.#bell.next();
    void subscription.#watch();
    await isWatching;
    if (subscription.#failure !== null) {
      throw subscription.#failure;
    }
    await subscription.#begin(options.from ?? 'now');
    return subscription;
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    const result = this.#turn.then(() => this.#take());
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async return(): Promise<IteratorResult<Message<T>, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#stop.abort();
    this.#bell.ring();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #onAbort = (): void => void this.close();

  async #watch(): Promise<void> {
    try {
      for await (const { type, path } of eventsOf(this.#client, this.#path, true, this.#stop.signal)) {
        this.#hear(type, path);
        this.#bell.ring();
      }
      await this.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #hear(type: WatchEventType, path: string): void {
    const isMessage = type === 'created' && path === join(this.#path, nameOf(path));
    if (isMessage && !this.#isListing && !this.#mustList) {
      this.#queue([nameOf(path)]);
    } else if (isMessage || type === 'gap' || path === this.#path) {
      this.#mustList = true; // a list that is on its way may show it, or not
    }
  }

  /** Takes up what is there already, as far as it is wanted. */
  async #begin(from: NonNullable<SubscribeOptions['from']>): Promise<void> {
    const stat = await this.#client.exists(this.#path, this.#terms);
    this.#czxid = stat?.czxid ?? null;
    this.#last = stat === null ? FIRST - 1 : null;
    await this.#list();
    const names = this.#pending;
    if (from === 'now') {
      this.#pending = [];
    } else if (from !== 'start') {
      const { first, isKnown } = await this.#firstBehind(names, from.after);
      this.#pending = names.slice(first);
      this.#hasMissed = !isKnown;
    }
  }

  /**
   * The place of the first message behind a position; those that are gone were before those that are not. Known: the
   * one before it is there, and not behind the position, so there is none between.
   */
  async #firstBehind(names: readonly Pending[], position: bigint): Promise<{ first: number; isKnown: boolean }> {
    let [low, high] = [0, names.length];
    let isKnown = false;
    while (low < high) {
      const middle = (low + high) >> 1;
      const path = join(this.#path, names[middle]?.name ?? '');
      const stat = await this.#client.exists(path, this.#terms);
      if (stat === null || stat.czxid <= position) {
        low = middle + 1;
        isKnown = stat !== null;
      } else {
        high = middle;
      }
    }
    return { first: low, isKnown };
  }

  async #list(): Promise<void> {
    this.#mustList = false;
    this.#isListing = true;
    try {
      const found = await orNull(this.#client.childrenWithStat(this.#path, this.#terms));
      this.#takeUp(found?.stat.czxid ?? null, found?.children ?? []);
    } finally {
      this.#isListing = false; // not sooner: an event in between would be taken up before what it comes behind
    }
  }

  #takeUp(czxid: bigint | null, names: readonly string[]): void {
    if (czxid !== this.#czxid) {
      this.#hasMissed ||= this.#czxid !== null; // what was not read of the node that is gone
      this.#last = FIRST - 1;
      this.#czxid = czxid;
    }
    this.#queue(inSequence(names, isMessageName));
  }

  /** Names in their order; those that were taken up already are passed over. */
  #queue(names: readonly string[]): void {
    for (const name of names) {
      const sequence = isMessageName(name) ? sequenceOf(name) : null;
      const distance = sequence === null ? 0 : this.#last === null ? 1 : compareSequences(sequence, this.#last);
      if (distance > 0 && this.#pending.length >= PENDING_MAX) {
        this.#mustList = true;
        return;
      }
      if (distance > 0) {
        this.#pending.push({ name, isBehindGap: distance > 1 });
        this.#last = sequence;
      }
    }
  }

  async #take(): Promise<IteratorResult<Message<T>, undefined>> {
    while (!this.#stop.signal.aborted) {
      const rung = this.#bell.next();
      while (this.#reads.length < READ_AHEAD && this.#pending.length > 0) {
        this.#reads.push(this.#read(this.#pending.shift() as Pending));
      }
      const read = this.#reads.shift();
      if (read !== undefined) {
        const message = await this.#accept(read);
        if (message !== null) {
          return { done: false, value: message };
        }
      } else if (this.#mustList) {
        await this.#list().catch((error: unknown) => this.#fail(error));
      } else {
        await rung;
      }
    }
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
    return { done: true, value: undefined };
  }

  async #accept(reading: Promise<Read<T>>): Promise<Message<T> | null> {
    let read: Read<T>;
    try {
      read = await reading;
    } catch (error) {
      this.#fail(error);
      return null;
    }
    if (read === null) {
      this.#hasMissed = true;
      return null;
    }
    if ('error' in read) {
      if (this.#onInvalid === undefined) {
        this.#fail(read.error);
      } else {
        this.#onInvalid(read.error, read.position);
      }
      return null;
    }
    const missed = this.#hasMissed || read.message.missed;
    this.#hasMissed = false;
    return { ...read.message, missed };
  }

  /** Begun ahead of time: what it rejects with is told when its turn has come. */
  #read({ name, isBehindGap }: Pending): Promise<Read<T>> {
    const path = join(this.#path, name);
    const reading = orNull(this.#client.get(path, { codec: nullableBytes, ...this.#terms })).then(
      async (found): Promise<Read<T>> => {
        if (found === null) {
          return null;
        }
        const position = found.stat.czxid;
        try {
          const value = await this.#codec.decode(found.value);
          return { message: { value, position, publishedAtMs: Number(found.stat.ctime), missed: isBehindGap } };
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          return { error: new RecipeError('INVALID_DATA', path, reason, cause), position };
        }
      },
    );
    reading.catch(() => undefined);
    return reading;
  }

  #fail(error: unknown): void {
    if (!this.#stop.signal.aborted) {
      this.#failure = isTreekeeperError(error, 'CLOSED') ? null : error;
      void this.close();
    }
  }
}
