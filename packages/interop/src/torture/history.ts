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

/** Its owner looks for it, or behind a sync somebody else. */
export interface LookCall extends Call {
  readonly kind: 'look';
  readonly path: string;
  readonly isSynced: boolean;
  isThere: boolean;
  /** The session that it belongs to. */
  owner: bigint;
}

/** One of the nodes that others watch is changed. */
export interface ChangeCall extends Call {
  readonly kind: 'change';
  readonly path: string;
  readonly act: 'create' | 'set' | 'delete';
}

/** One of them is looked at, and watched from then on or not. */
export interface SightCall extends Call {
  readonly kind: 'sight';
  readonly path: string;
  readonly of: 'data' | 'children';
  readonly isWatched: boolean;
  readonly isSynced: boolean;
  /** `zxid` is that of the last change of its value, or of its children. */
  isThere: boolean;
  /** What its watch told. */
  readonly notices: Notice[];
}

/** What a watch told. */
export interface Notice {
  readonly position: number;
  readonly type: NoticeType;
  readonly path: string;
  /** Null where the server did not say. */
  readonly zxid: bigint | null;
}

export type NoticeType = 'created' | 'deleted' | 'data-changed' | 'children-changed' | 'gap';

/** Something is asked of a node that has an ACL. */
export interface TryCall extends Call {
  readonly kind: 'try';
  readonly path: string;
  readonly act: TryAct;
  /** The session has the identity that the ACL names. */
  readonly hasRight: boolean;
}

export type TryAct = 'get' | 'children' | 'set' | 'create' | 'delete' | 'set ACL' | 'transaction';

/** A subtree with a quota grows or shrinks. */
export interface StoreCall extends Call {
  readonly kind: 'store';
  readonly path: string;
  /** `overfill`: more bytes are written than there may be at all. */
  readonly act: 'create' | 'delete' | 'overfill';
  readonly sizeBytes: number;
}

export type AnyCall =
  | SetCall
  | ReadCall
  | AppendCall
  | TakeCall
  | OwnCall
  | LookCall
  | ChangeCall
  | SightCall
  | TryCall
  | StoreCall;

/** What a call is about, before anything is known of its outcome. */
export type Asked =
  | Pick<SetCall, 'kind' | 'key' | 'value' | 'expectedVersion'>
  | Pick<ReadCall, 'kind' | 'key' | 'isSynced'>
  | Pick<AppendCall, 'kind' | 'value'>
  | Pick<TakeCall, 'kind' | 'path'>
  | Pick<OwnCall, 'kind' | 'path'>
  | Pick<LookCall, 'kind' | 'path' | 'isSynced'>
  | Pick<ChangeCall, 'kind' | 'path' | 'act'>
  | Pick<SightCall, 'kind' | 'path' | 'of' | 'isWatched' | 'isSynced'>
  | Pick<TryCall, 'kind' | 'path' | 'act' | 'hasRight'>
  | Pick<StoreCall, 'kind' | 'path' | 'act' | 'sizeBytes'>;

/** Its zxid is that of a transaction of its own. */
export function isWrite({ kind }: AnyCall): boolean {
  return kind !== 'read' && kind !== 'look' && kind !== 'sight' && kind !== 'try';
}

export interface SessionRecord {
  readonly index: number;
  id: bigint;
  calls: number;
  /** Where its connections ended. */
  readonly breaks: number[];
}

/** A persistent recursive watch, and what who has it makes of its events. */
export interface Pursuit {
  readonly session: SessionRecord;
  readonly path: string;
  /** Every change behind this zxid is told; null: the watch has not been set. */
  readyZxid: bigint | null;
  readonly notices: Notice[];
  /** The session has ended before the history: nothing can be said of what came last. */
  isOver: boolean;
  /** Every node with the zxid of its last value, when the last mark had been heard of; null: it has not been. */
  tree: ReadonlyMap<string, bigint> | null;
}

export class History {
  readonly calls: AnyCall[] = [];
  readonly sessions: SessionRecord[] = [];
  readonly pursuits: Pursuit[] = [];
  /** Of the last change of a watched node, behind all others. */
  markZxid = 0n;
  #position = 0;

  openSession(id: bigint): SessionRecord {
    const session = { index: this.sessions.length, id, calls: 0, breaks: [] };
    this.sessions.push(session);
    return session;
  }

  openPursuit(session: SessionRecord, path: string): Pursuit {
    const pursuit = { session, path, readyZxid: null, notices: [], isOver: false, tree: null };
    this.pursuits.push(pursuit);
    return pursuit;
  }

  /** The position of something that happens now. */
  next(): number {
    return this.#position++;
  }

  begin<A extends Asked>(session: SessionRecord, asked: A): Extract<AnyCall, { kind: A['kind'] }> {
    const call = {
      began: this.next(),
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
      owner: 0n,
      ...(asked.kind === 'sight' && { notices: [] }),
      ...asked,
    };
    this.calls.push(call as unknown as AnyCall);
    return call as unknown as Extract<AnyCall, { kind: A['kind'] }>;
  }

  end(call: AnyCall, outcome: Outcome, code = ''): void {
    call.ended = this.next();
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
  /** By path, those that others watched. */
  readonly watched: ReadonlyMap<string, Final>;
  /** By path, those with an ACL and below. */
  readonly closed: ReadonlyMap<string, Final>;
}

/** Of a subtree with a quota. */
export interface Totals {
  /** Nodes, the top included. */
  readonly count: number;
  readonly sizeBytes: number;
}

export interface Final {
  readonly value: string;
  readonly version: number;
  /** Of the last change of its value. */
  readonly zxid: bigint;
}
