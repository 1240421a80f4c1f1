/** What clients asked for and what they heard, in the order of the one process that all of them live in. */

/** `refused`: the answer, or the client, says that nothing happened. `unknown`: it may have happened, or still will. */
export type Outcome = 'done' | 'refused' | 'unknown';

interface Call {
  /** Positions in the history: of two calls, one came before the other if it ended before the other began. */
  readonly began: number;
  ended: number;
  readonly session: SessionRecord;
  /** The order of sending within the session. */
  readonly place: number;
  outcome: Outcome;
  /** Why it was refused, or is unknown. */
  code: string;
  /** Of the change that was made or seen; 0n where no answer tells. */
  zxid: bigint;
}

export interface SetCall extends Call {
  readonly kind: 'set';
  readonly key: string;
  readonly value: string;
  /** -1: whatever version there is. */
  readonly expectedVersion: number;
  version: number;
}

export interface ReadCall extends Call {
  readonly kind: 'read';
  readonly key: string;
  /** Sent right behind a sync. */
  readonly isSynced: boolean;
  value: string;
  version: number;
}

export interface AppendCall extends Call {
  readonly kind: 'append';
  readonly value: string;
  /** With the sequence number; empty while not known. */
  path: string;
}

export interface TakeCall extends Call {
  readonly kind: 'take';
  readonly path: string;
}

/** An ephemeral node is made. */
export interface OwnCall extends Call {
  readonly kind: 'own';
  readonly path: string;
}

/** Its owner looks for it. */
export interface LookCall extends Call {
  readonly kind: 'look';
  readonly path: string;
  /** As a node of this session. */
  isThere: boolean;
}

export type AnyCall = SetCall | ReadCall | AppendCall | TakeCall | OwnCall | LookCall;

/** What a call is about, before anything is known of its outcome. */
export type Asked =
  | Pick<SetCall, 'kind' | 'key' | 'value' | 'expectedVersion'>
  | Pick<ReadCall, 'kind' | 'key' | 'isSynced'>
  | Pick<AppendCall, 'kind' | 'value'>
  | Pick<TakeCall, 'kind' | 'path'>
  | Pick<OwnCall, 'kind' | 'path'>
  | Pick<LookCall, 'kind' | 'path'>;

export interface SessionRecord {
  readonly index: number;
  id: bigint;
  calls: number;
}

export class History {
  readonly calls: AnyCall[] = [];
  readonly sessions: SessionRecord[] = [];
  #position = 0;

  openSession(id: bigint): SessionRecord {
    const session = { index: this.sessions.length, id, calls: 0 };
    this.sessions.push(session);
    return session;
  }

  begin<A extends Asked>(session: SessionRecord, asked: A): Extract<AnyCall, { kind: A['kind'] }> {
    const call = {
      began: this.#position++,
      ended: Number.POSITIVE_INFINITY,
      session,
      place: session.calls++,
      outcome: 'unknown',
      code: '',
      zxid: 0n,
      version: -1,
      path: '',
      value: '',
      isThere: false,
      ...asked,
    };
    this.calls.push(call as unknown as AnyCall);
    return call as unknown as Extract<AnyCall, { kind: A['kind'] }>;
  }

  end(call: AnyCall, outcome: Outcome, code = ''): void {
    call.ended = this.#position++;
    call.outcome = outcome;
    call.code = code;
  }
}

/** What is there when all clients have gone. */
export interface FinalState {
  readonly registers: ReadonlyMap<string, Final>;
  /** By path, those that nobody took. */
  readonly appended: ReadonlyMap<string, Final>;
  /** Paths of ephemeral nodes. */
  readonly owned: readonly string[];
}

export interface Final {
  readonly value: string;
  readonly version: number;
  /** Of the last change of its value. */
  readonly zxid: bigint;
}
