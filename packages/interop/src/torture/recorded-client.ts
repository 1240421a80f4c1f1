/** A client whose calls and answers are in the history. */
import { type Client, isTreekeeperError } from '@treekeeper/client';
import { type AnyCall, type Asked, type History, isWrite, type SessionRecord } from './history.ts';

const CALL_MS_MAX = 8000;

export const noRetry = { retry: false, timeoutMs: CALL_MS_MAX } as const;

export class RecordedClient {
  readonly client: Client;
  readonly history: History;
  readonly session: SessionRecord;
  readonly #wrote: () => void;
  #isOver = false;

  /** `wrote` is called at every acknowledged write. */
  constructor(client: Client, history: History, wrote: () => void) {
    this.client = client;
    this.history = history;
    this.session = history.openSession(client.sessionId);
    this.#wrote = wrote;
    void this.#noteBreaks();
  }

  /** The session has ended by itself. */
  get isOver(): boolean {
    return this.#isOver;
  }

  begin<A extends Asked>(asked: A): Extract<AnyCall, { kind: A['kind'] }> {
    return this.history.begin(this.session, asked);
  }

  /** Puts the answer into the history, by `note` what there is to say of it. */
  async answer<T>(calls: readonly AnyCall[], answer: Promise<T>, note: (result: T) => void): Promise<void> {
    const { history } = this;
    try {
      note(await answer);
      for (const call of calls) {
        history.end(call, 'done');
      }
      if (isWrite(calls[0])) {
        this.#wrote();
      }
    } catch (error) {
      if (!isTreekeeperError(error)) {
        throw error;
      }
      for (const call of calls) {
        history.end(call, error.retry === 'unknown' ? 'unknown' : 'refused', error.code);
      }
      this.#isOver ||= this.client.state === 'closed' || this.client.state === 'expired';
    }
  }

  /** Both go out at once, on one connection: if that breaks, the read fails. */
  async synced<T>(path: string, read: () => Promise<T>): Promise<T> {
    const sync = this.client.sync(path, noRetry);
    const [result] = await Promise.all([read(), sync]);
    return result;
  }

  async #noteBreaks(): Promise<void> {
    for await (const state of this.client.states()) {
      if (state === 'disconnected') {
        this.session.breaks.push(this.history.next());
      }
    }
  }
}
