/** Publish and subscribe: messages that every subscriber gets, in one order. */
import { type CallOptions, type Client, type Codec, utf8 } from '@treekeeper/client';
import { namesIn } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { isMessageName, MESSAGE } from './message-names.ts';
import { join, nameOf } from './paths.ts';
import { remove } from './seat.ts';
import { inSequence, sequenceOf } from './sequence.ts';
import { type SubscribeOptions, Subscription } from './subscription.ts';

/** Options of `Topic`. */
export interface TopicOptions<T> {
  /** How messages are written. @default text */
  readonly codec?: Codec<T> | undefined;
  /** How many messages are kept at least, for those who are slow or come back; a tenth more at most. @default 1000 */
  readonly messagesMax?: number | undefined;
}

const MESSAGES_MAX = 1_000;

/**
 * A topic: each message is a node, numbered by the server, so all subscribers see all messages in the same order, those
 * of one publisher in the order of its calls. A topic keeps its latest messages: who comes back within them goes on
 * where it was. It is for news of moderate size and rate (what servers agree on, they write to disk), not for streams.
 *
 * @example
 * ```ts
 * const topic = new Topic(client, '/topics/news');
 * await using news = await topic.subscribe();
 * await topic.publish('first');
 * await topic.publish('second');
 * for await (const { value, position } of news) {
 *   console.assert(value === 'first' && position > 0n);
 *   break;
 * }
 * ```
 */
export class Topic<T = string> {
  readonly #client: Client;
  readonly #path: string;
  readonly #codec: Codec<T>;
  readonly #messagesMax: number;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: TopicOptions<T> = {}) {
    const { codec = utf8 as unknown as Codec<T>, messagesMax = MESSAGES_MAX } = options;
    if (!(Number.isInteger(messagesMax) && messagesMax > 0)) {
      throw new RecipeError(
        'INVALID_OPTION',
        path,
        `messagesMax is ${messagesMax}, and must be a whole number above 0`,
      );
    }
    this.#client = client;
    this.#path = path;
    this.#codec = codec;
    this.#messagesMax = messagesMax;
  }

  /**
   * Publishes a message, exactly once also when the connection is lost on the way; fulfils with its position. Messages
   * whose publication was waited for come before later ones. Rejects with NO_AUTH, SESSION_EXPIRED, INVALID_VALUE.
   *
   * @example
   * ```ts
   * const orders = new Topic(client, '/topics/orders', { codec: json<{ item: string }>() });
   * const position = await orders.publish({ item: 'tea' });
   * await using later = await orders.subscribe({ from: { after: position } });
   * ```
   */
  async publish(value: T, options: CallOptions = {}): Promise<bigint> {
    const { path, stat } = await this.#client.create(join(this.#path, MESSAGE), value, {
      ...options,
      codec: this.#codec,
      mode: 'persistent-sequential',
      protect: true,
      createParents: true,
    });
    const sequence = sequenceOf(nameOf(path)) ?? 0;
    if (sequence % Math.max(1, Math.floor(this.#messagesMax / 10)) === 0) {
      await this.#trim().catch(() => undefined); // the message is published; the next one trims
    }
    return stat.czxid;
  }

  /**
   * Begins to listen. Rejects with SESSION_EXPIRED, NO_AUTH. Needs ZooKeeper 3.6, or Treekeeper.
   *
   * @example
   * ```ts
   * const topic = new Topic(client, '/topics/alarms');
   * await topic.publish('fire');
   * await using all = await topic.subscribe({ from: 'start' });
   * const { value: alarm } = await all.next();
   * console.assert(alarm?.value === 'fire');
   * ```
   */
  subscribe(options: SubscribeOptions = {}): Promise<Subscription<T>> {
    return Subscription.open(this.#client, this.#path, this.#codec, options);
  }

  async #trim(): Promise<void> {
    const names = inSequence(await namesIn(this.#client, this.#path), isMessageName);
    const old = names.slice(0, Math.max(0, names.length - this.#messagesMax));
    await Promise.all(old.map((name) => remove(this.#client, join(this.#path, name))));
  }
}
