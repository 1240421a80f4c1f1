/** All of them, or none: a decision of many, that every one of them learns alike. */
import { type Client, isTreekeeperError, json, utf8 } from '@treekeeper/client';
import { orNull } from './contenders.ts';
import { RecipeError } from './errors.ts';
import { forever } from './forever.ts';
import { join } from './paths.ts';
import { abortable } from './seat.ts';
import { Vigil } from './vigil.ts';

/** A participant's vote, and the decision. */
export type Vote = 'commit' | 'abort';

/** Options of calls that wait for the decision. */
export interface DecisionOptions {
  /** Gives up waiting, with ABORTED; a vote that was given stays. */
  readonly signal?: AbortSignal | undefined;
}

const VOTES: ReadonlySet<string> = new Set(['commit', 'abort']);
const names = json<readonly string[]>();

/**
 * A two-phase commit: `commit` if all participants vote so, `abort` as soon as one does not. The decision is one
 * node, made once, and votes never change: nobody can see another one. Nobody has to stay alive for it: whoever gives
 * or sees the last vote makes it. A participant that crashes before it votes can be given up with `abort`.
 *
 * Nothing is held: votes and decision outlive disconnect, expiry and crash of everybody.
 *
 * @example
 * ```ts
 * const transfer = new TwoPhaseCommit(client, '/transfers/7');
 * await transfer.begin(['bank-a', 'bank-b']);
 * const decisions = await Promise.all([transfer.vote('bank-a', 'commit'), transfer.vote('bank-b', 'commit')]);
 * console.assert(decisions.every((decision) => decision === 'commit'));
 * ```
 */
export class TwoPhaseCommit {
  readonly #client: Client;
  readonly #path: string;

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
  }

  /**
   * Says who takes part. Rejects with NODE_EXISTS when it has begun already, INVALID_OPTION without participants.
   *
   * @example
   * ```ts
   * await new TwoPhaseCommit(client, '/decisions/a').begin(['one', 'two']);
   * ```
   */
  async begin(participants: readonly string[]): Promise<void> {
    if (participants.length === 0 || new Set(participants).size < participants.length) {
      throw new RecipeError('INVALID_OPTION', this.#path, 'participants: one or more, each once');
    }
    await this.#client.create(this.#path, participants, { codec: names, createParents: true, idempotent: true });
  }

  /**
   * Votes, and waits for the decision. A vote is given once: a second one is not looked at, and the decision is what
   * counts. Rejects with INVALID_OPTION for one who does not take part, NO_NODE before `begin`.
   *
   * @example
   * ```ts
   * const decision = new TwoPhaseCommit(client, '/decisions/b');
   * await decision.begin(['one', 'two']);
   * console.assert((await decision.vote('one', 'abort')) === 'abort'); // at once
   * ```
   */
  async vote(participant: string, vote: Vote, options: DecisionOptions = {}): Promise<Vote> {
    const participants = await this.#participants(options.signal);
    if (!participants.includes(participant)) {
      throw new RecipeError(
        'INVALID_OPTION',
        this.#path,
        `${participant} takes no part: ${participants.join(', ')} do`,
      );
    }
    await this.#make(this.#voteOf(participant), vote);
    return await this.decision(options);
  }

  /**
   * Decides against it, unless it is decided already; fulfils with the decision.
   *
   * @example
   * ```ts
   * const decision = new TwoPhaseCommit(client, '/decisions/c');
   * await decision.begin(['one']);
   * console.assert((await decision.abort()) === 'abort');
   * ```
   */
  async abort(): Promise<Vote> {
    await this.#make(this.#decisionPath, 'abort');
    return await this.decision();
  }

  /**
   * Waits for the decision; makes it, where all votes are there. Outlives lost connections.
   *
   * @example
   * ```ts
   * const decision = new TwoPhaseCommit(client, '/decisions/d');
   * await decision.begin(['one']);
   * const voted = decision.vote('one', 'commit');
   * console.assert((await decision.decision()) === (await voted));
   * ```
   */
  async decision({ signal }: DecisionOptions = {}): Promise<Vote> {
    const vigil = new Vigil(this.#client);
    try {
      return await this.#decision(vigil, signal);
    } finally {
      vigil.takeBack(); // behind the decision nothing changes any more
    }
  }

  async #decision(vigil: Vigil, signal: AbortSignal | undefined): Promise<Vote> {
    const participants = await this.#participants(signal);
    for (;;) {
      const changed = vigil.next();
      const reading = vigil.look(this.#path, 'children', (watch) =>
        this.#client.children(this.#path, { ...forever, signal, watch }),
      );
      const children = new Set(await reading);
      if (children.has('decision')) {
        return await this.#read(this.#decisionPath);
      }
      const present = participants.filter((participant) => children.has(`vote-${participant}`));
      const votes = await Promise.all(present.map((participant) => this.#read(this.#voteOf(participant))));
      if (votes.includes('abort')) {
        await this.#make(this.#decisionPath, 'abort');
      } else if (present.length === participants.length) {
        await this.#make(this.#decisionPath, 'commit');
      } else {
        await abortable(changed, signal, this.#path, () => undefined);
      }
    }
  }

  get #decisionPath(): string {
    return join(this.#path, 'decision');
  }

  #voteOf(participant: string): string {
    return join(this.#path, `vote-${participant}`);
  }

  async #participants(signal: AbortSignal | undefined): Promise<readonly string[]> {
    return (await this.#client.get(this.#path, { ...forever, signal, codec: names })).value;
  }

  async #read(path: string): Promise<Vote> {
    const found = await orNull(this.#client.get(path, { ...forever, codec: utf8 }));
    if (found === null || !VOTES.has(found.value)) {
      throw new RecipeError('INVALID_DATA', path, `this is no vote: ${found?.value ?? 'it was removed'}`);
    }
    return found.value as Vote;
  }

  /** The first to come counts; votes are never changed, so nobody can decide otherwise on the same votes. */
  async #make(path: string, vote: Vote): Promise<void> {
    try {
      await this.#client.create(path, vote, { ...forever, idempotent: true });
    } catch (error) {
      if (!isTreekeeperError(error, 'NODE_EXISTS')) {
        throw error;
      }
    }
  }
}
