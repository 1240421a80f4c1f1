/** A job that runs at fixed times, in exactly one of many processes. */
import { type Client, type Codec, isTreekeeperError, utf8 } from '@treekeeper/client';
import { type Clock, systemClock } from './clock.ts';
import { Election, type Leadership } from './election.ts';
import { RecipeError } from './errors.ts';
import { checkIdentity } from './identity.ts';
import { join } from './paths.ts';

/** Options of `ScheduledJob`. */
export interface ScheduledJobOptions {
  /** The job is due whenever the time since 1970 is a multiple of this. */
  readonly intervalMs: number;
  /**
   * What a crash in the middle means. `at-least-once`: another process runs it for the same time. `at-most-once`: it
   * is left out until the next time. @default 'at-least-once'
   */
  readonly delivery?: 'at-least-once' | 'at-most-once' | undefined;
  /**
   * Who this program is, across its restarts. A run that was killed leads until its session has timed out; the next run
   * with the same identity takes its place at once. No two programs that live at the same time may have the same.
   */
  readonly identity?: string | undefined;
  /** @default the machine's own */
  readonly clock?: Clock | undefined;
}

/** What a run gets. */
export interface JobRun {
  /** The time that it is for: a multiple of the interval. Of times that nobody could run, the latest is made up for. */
  readonly dueMs: number;
  /** Fires when another process might run it by now: stop. Its guarded writes are refused then, its token is lower. */
  readonly leadership: Leadership<string>;
}

const number: Codec<number> = {
  encode: (value) => utf8.encode(String(value)),
  decode: async (data) => Number(await utf8.decode(data)),
};

/**
 * A job on a schedule. Start it in as many processes as you like: one of them leads and runs it; which times have
 * been run is in the tree, so that a fail-over neither repeats nor forgets one.
 *
 * On disconnect the run's signal fires, and another process may take over as soon as it leads. A time counts as run
 * by a guarded write: a process that was only paused cannot say so for one that another has run meanwhile.
 *
 * @example
 * ```ts
 * const job = new ScheduledJob(client, '/jobs/report', { intervalMs: 60_000 });
 * const stop = new AbortController();
 * await job.run(async ({ dueMs }) => {
 *   console.assert(dueMs % 60_000 === 0);
 *   stop.abort();
 * }, { signal: stop.signal });
 * ```
 */
export class ScheduledJob {
  readonly #client: Client;
  readonly #path: string;
  readonly #intervalMs: number;
  readonly #isAtMostOnce: boolean;
  readonly #clock: Clock;
  readonly #identity: string | undefined;

  /** Throws INVALID_OPTION. */
  constructor(client: Client, path: string, options: ScheduledJobOptions) {
    const { intervalMs, delivery = 'at-least-once', clock = systemClock, identity } = options;
    if (!Number.isSafeInteger(intervalMs) || intervalMs < 1) {
      throw new RecipeError('INVALID_OPTION', path, `intervalMs is ${intervalMs}: a whole number, 1 or more`);
    }
    this.#client = client;
    this.#path = path;
    this.#intervalMs = intervalMs;
    this.#isAtMostOnce = delivery === 'at-most-once';
    this.#clock = clock;
    checkIdentity(identity, path);
    this.#identity = identity;
  }

  /**
   * The latest time that was run (at-least-once) or begun (at-most-once); null: none yet.
   *
   * @example
   * ```ts
   * const job = new ScheduledJob(client, '/jobs/never', { intervalMs: 1000 });
   * console.assert((await job.lastMs()) === null);
   * ```
   */
  async lastMs(): Promise<number | null> {
    try {
      return (await this.#client.get(this.#lastPath, { codec: number })).value;
    } catch (error) {
      if (isTreekeeperError(error, 'NO_NODE')) {
        return null;
      }
      throw error;
    }
  }

  /**
   * Takes part until the signal fires. A time that has passed since the last run is run at once, and only the latest.
   * Rejects with what the job throws (the time is then not run, at-least-once: the next process tries it), with
   * SESSION_EXPIRED when the client is at its end.
   *
   * @example
   * ```ts
   * const job = new ScheduledJob(client, '/jobs/cleanup', { intervalMs: 3_600_000, delivery: 'at-most-once' });
   * let runs = 0;
   * await job.run(async () => void (runs += 1), { signal: AbortSignal.timeout(50) });
   * console.assert(runs === 1);
   * ```
   */
  async run(job: (run: JobRun) => Promise<void>, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const election = new Election(this.#client, join(this.#path, 'leader'), { identity: this.#identity });
    try {
      await election.run((leadership) => this.#lead(job, leadership, signal), { data: '', signal });
    } catch (error) {
      if (!signal.aborted || !isTreekeeperError(error, 'ABORTED')) {
        throw error;
      }
    }
  }

  get #lastPath(): string {
    return join(this.#path, 'last');
  }

  async #lead(job: (run: JobRun) => Promise<void>, leadership: Leadership<string>, signal: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([signal, leadership.signal]);
    while (!ended.aborted) {
      const now = this.#clock.now();
      const dueMs = now - (now % this.#intervalMs);
      const lastMs = await this.lastMs();
      if (lastMs !== null && lastMs >= dueMs) {
        await this.#sleep(lastMs + this.#intervalMs - now, ended);
        continue;
      }
      if (this.#isAtMostOnce) {
        await this.#record(leadership, dueMs, lastMs);
      }
      await job({ dueMs, leadership });
      if (!this.#isAtMostOnce) {
        await this.#record(leadership, dueMs, lastMs);
      }
    }
  }

  async #record({ guarded }: Leadership<string>, dueMs: number, lastMs: number | null): Promise<void> {
    if (lastMs === null) {
      await guarded.create(this.#lastPath, String(dueMs));
    } else {
      await guarded.set(this.#lastPath, String(dueMs));
    }
  }

  async #sleep(delayMs: number, ended: AbortSignal): Promise<void> {
    if (ended.aborted) {
      return;
    }
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer.cancel();
        ended.removeEventListener('abort', wake); // one would be left for each time that the job is due
        resolve();
      };
      const timer = this.#clock.after(delayMs, wake);
      ended.addEventListener('abort', wake);
    });
  }
}
