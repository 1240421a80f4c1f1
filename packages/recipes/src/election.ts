/** One leads, the others stand by; everybody can see who. */
import { type Client, type Codec, isTreekeeperError, utf8 } from '@treekeeper/client';
import { Bell } from './bell.ts';
import { type Contender, contendersOf, namesIn, orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { type Held, Hold, type HoldOptions } from './hold.ts';
import { checkIdentity } from './identity.ts';
import { type Live, LiveValue } from './live.ts';
import type { NodeNames } from './lock.ts';
import { join } from './paths.ts';
import { throughSessions } from './renewal.ts';
import { untilAnswered } from './repeat.ts';
import { Seat } from './seat.ts';
import { inSequence } from './sequence.ts';

/** Options of `Election`. */
export interface ElectionOptions<T> {
  /** How candidates' data are written. @default text */
  readonly codec?: Codec<T> | undefined;
  /** With whom it contends: Curator's LeaderLatch, or kazoo's Election. @default 'curator' */
  readonly names?: NodeNames | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leaves a node until its session has timed out; the
   * next run with the same identity ends it at once, instead of waiting for it. No two programs that live at the same
   * time may have the same: the later one would end the leadership of the earlier one (whose signal fires).
   */
  readonly identity?: string | undefined;
}

/** Options of `Election.campaign`. */
export interface CampaignOptions<T> extends HoldOptions {
  /** Published for all observers: who leads, where to reach it. */
  readonly data: T;
  /** Stops standing: rejects with ABORTED, and no node stays behind. */
  readonly signal?: AbortSignal | undefined;
}

/** Who leads, as observers see it. */
export interface Leader<T = string> {
  readonly node: string;
  readonly data: T;
  /** Rises from leader to leader. */
  readonly token: bigint;
  readonly sessionId: bigint;
}

const NAMES: Readonly<Record<NodeNames, string>> = { curator: 'latch-', kazoo: '__lock__' };

function isCandidate(name: string): boolean {
  return /(?:latch-|lock-|__lock__)-?\d{9,10}$/.test(name);
}

/**
 * An election among all who stand on the same path, won by who stands longest. A leader leads until it releases, until
 * its connection is lost (see HoldOptions) or its session ends; the next one in the order follows. An old leader that
 * was paused may not know yet that it is none: its guarded writes are refused, and its token is lower than the new
 * one's.
 *
 * @example
 * ```ts
 * const election = new Election(client, '/leaders/scheduler');
 * await using leadership = await election.campaign({ data: 'host-7:8080' });
 * await leadership.guarded.create('/schedule', 'made by the leader');
 * console.assert((await election.leader())?.data === 'host-7:8080');
 * ```
 */
export class Election<T = string> {
  readonly #client: Client;
  readonly #path: string;
  readonly #name: string;
  readonly #codec: Codec<T>;
  readonly #identity: string | undefined;
  /** One for all who observe: it is one watch then. */
  readonly #bell = new Bell();

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: ElectionOptions<T> = {}) {
    checkIdentity(options.identity, path);
    this.#identity = options.identity;
    this.#client = client;
    this.#path = path;
    this.#name = NAMES[options.names ?? 'curator'];
    this.#codec = options.codec ?? (utf8 as unknown as Codec<T>);
  }

  /**
   * Stands, and fulfils when it leads. Outlives lost connections while it waits. Rejects with ABORTED, SESSION_EXPIRED,
   * NO_AUTH.
   *
   * @example
   * ```ts
   * const leadership = await new Election(client, '/leaders/a').campaign({ data: 'me' });
   * leadership.signal.throwIfAborted(); // before each step that only a leader may do
   * await leadership.release();
   * ```
   */
  async campaign(options: CampaignOptions<T>): Promise<Leadership<T>> {
    const { signal } = options;
    const data = this.#codec.encode(options.data) ?? '';
    const seat = await Seat.take(this.#client, this.#path, {
      name: this.#name,
      data,
      signal,
      isContender: isCandidate,
      identity: this.#identity,
    });
    await seat.waitFor((order, me) => order[me - 1] ?? null, signal);
    const held = { path: this.#path, node: seat.path, token: seat.token };
    return new Leadership(this.#client, held, this.#codec, options);
  }

  /**
   * Runs the task while leading, and answers what it answers. When the leadership is lost (its signal fires: the task
   * has to stop then), it stands again, in the client's next session if need be, and the task begins anew.
   *
   * @example
   * ```ts
   * const election = new Election(client, '/leaders/b');
   * const answer = await election.run(async (leadership) => (leadership.signal.aborted ? 0 : 42), { data: 'me' });
   * console.assert(answer === 42);
   * ```
   */
  async run<R>(task: (leadership: Leadership<T>) => Promise<R>, options: CampaignOptions<T>): Promise<R> {
    for (;;) {
      await using leadership = await throughSessions(this.#client, () => this.campaign(options));
      try {
        const result = await task(leadership);
        if (leadership.state !== 'lost') {
          return result;
        }
      } catch (error) {
        if (leadership.state !== 'lost') {
          throw error;
        }
      }
    }
  }

  /**
   * Who leads; null: nobody. Rejects with INVALID_DATA when the codec does not take what the leader has published.
   *
   * @example
   * ```ts
   * console.assert((await new Election(client, '/leaders/c').leader()) === null);
   * ```
   */
  async leader(): Promise<Leader<T> | null> {
    return (await this.#look())?.leader ?? null;
  }

  /**
   * Who leads, now and from now on, and what they publish. An observer watches the leader only: however many stand, it
   * is woken when the leader changes.
   *
   * @example
   * ```ts
   * const election = new Election(client, '/leaders/d');
   * await using leaders = await election.leaders();
   * await using leadership = await election.campaign({ data: 'me' });
   * for await (const leader of leaders) {
   *   if (leader?.data === 'me') break;
   * }
   * ```
   */
  async leaders(): Promise<Live<Leader<T> | null>> {
    const rung = this.#bell.next();
    const seen = await this.#look(this.#bell.ring);
    const live = new LiveValue(seen?.leader ?? null, this.#bell.ring);
    void this.#follow(live, seen, rung);
    return live;
  }

  /**
   * The leader (the first) and all who stand, in order.
   *
   * @example
   * ```ts
   * const election = new Election(client, '/leaders/e');
   * await using leadership = await election.campaign({ data: 'me' });
   * console.assert((await election.candidates()).length === 1);
   * ```
   */
  async candidates(): Promise<readonly Contender[]> {
    const names = inSequence(await namesIn(this.#client, this.#path), isCandidate);
    return await contendersOf(this.#client, this.#path, names);
  }

  async #follow(live: LiveValue<Leader<T> | null>, first: Seen<T> | null, firstRung: Promise<void>): Promise<void> {
    let [seen, rung] = [first, firstRung];
    try {
      for (;;) {
        await rung;
        if (live.isOver) {
          return;
        }
        rung = this.#bell.next();
        const now = await throughSessions(this.#client, () => this.#look(this.#bell.ring));
        if (now?.leader.node !== seen?.leader.node || now?.changed !== seen?.changed) {
          live.set(now?.leader ?? null);
        }
        seen = now;
      }
    } catch (error) {
      live.end(isTreekeeperError(error, 'CLOSED') || this.#client.state === 'closed' ? null : error);
    }
  }

  async #look(ring?: () => void): Promise<Seen<T> | null> {
    for (;;) {
      const names = (await orNull(this.#client.children(this.#path, forever))) ?? [];
      const [first] = inSequence(names, isCandidate);
      const seen = first === undefined ? null : await this.#see(join(this.#path, first), ring);
      if (seen !== null || (first === undefined && (ring === undefined || (await this.#isEmpty(ring))))) {
        return seen;
      }
    }
  }

  async #see(node: string, watch: (() => void) | undefined): Promise<Seen<T> | null> {
    try {
      const found = await orNull(this.#client.get(node, { codec: this.#codec as Codec<T, never>, watch, ...forever }));
      if (found === null) {
        return null;
      }
      const { value, stat } = found;
      const leader = { node, data: value, token: stat.czxid, sessionId: stat.ephemeralOwner };
      return { leader, changed: stat.mzxid };
    } catch (error) {
      if (isTreekeeperError(error, 'INVALID_VALUE')) {
        throw new RecipeError('INVALID_DATA', this.#path, `the codec does not take the data of ${node}`, error);
      }
      throw error;
    }
  }

  /** Watches for the first who stands. */
  async #isEmpty(watch: () => void): Promise<boolean> {
    const names = await orNull(this.#client.children(this.#path, { watch, ...forever }));
    if (names === null) {
      return (await this.#client.exists(this.#path, { watch, ...forever })) === null;
    }
    return !names.some(isCandidate);
  }
}

interface Seen<T> {
  readonly leader: Leader<T>;
  readonly changed: bigint;
}

/** What Election hands to the leader. */
export class Leadership<T = string> extends Hold {
  readonly #codec: Codec<T>;

  constructor(client: Client, held: Held, codec: Codec<T>, options: HoldOptions) {
    super(client, held, options);
    this.#codec = codec;
  }

  /**
   * Changes what observers see. Rejects with FENCED when it does not lead any more.
   *
   * @example
   * ```ts
   * const election = new Election(client, '/leaders/f', { codec: json<{ url: string }>() });
   * await using leadership = await election.campaign({ data: { url: '' } });
   * await leadership.publish({ url: 'http://host-7/' });
   * console.assert((await election.leader())?.data.url === 'http://host-7/');
   * ```
   */
  async publish(data: T): Promise<void> {
    const encoded = this.#codec.encode(data) ?? '';
    const attempt = (): Promise<unknown> => this.guarded.set(this.node, encoded, forever);
    await untilAnswered(attempt, () => false);
  }
}
