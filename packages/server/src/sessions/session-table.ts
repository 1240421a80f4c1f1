/** The sessions this server knows, and the ids of new ones (client-protocol.md §10). */
import { CONTAINER_OWNER } from '@treekeeper/protocol';
import type { Expiring } from './expiry.ts';
import type { ForeignSessions } from './foreign-sessions.ts';

/** One session. `Owner` is the client connection that speaks for it. */
export class Session<Owner extends object = object> implements Expiring {
  readonly id: bigint;
  /** As negotiated; what each touch extends the session's life by. */
  timeoutMs: number;
  /** Known to this server only, without a transaction behind it (client-protocol.md §2.7). */
  local: boolean;
  /** A local one whose createSession is on the way. */
  upgrading = false;
  /** Its createSession has not been applied here; it was proposed, or the leader vouches for the session. */
  opening = false;
  /** Its closeSession is on the way: its requests are refused from now on. */
  closing = false;
  /**
   * Where its client is, as the leader of an ensemble knows it, and a follower with observers behind it: whose requests
   * it takes for the session. Null: not known since it began, and whoever speaks first has it.
   */
  home: object | null = null;
  /** The connection that speaks for it now; null while the client is away. */
  owner: Owner | null = null;
  expiresAtMs = 0;

  constructor(id: bigint, timeoutMs: number, local: boolean) {
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.local = local;
  }

  /** It is local, and not about to become global: nobody else knows of it. */
  get isOnlyHere(): boolean {
    return this.local && !this.upgrading;
  }
}

export class SessionTable<Owner extends object = object> {
  readonly #sessions = new Map<bigint, Session<Owner>>();
  #localCount = 0;
  /** What a leader knows of sessions that are not in the table; null: whatever is not in the table is none. */
  foreign: ForeignSessions | null = null;

  get size(): number {
    return this.#sessions.size;
  }

  get localCount(): number {
    return this.#localCount;
  }

  /** Whether a session that is not in the table may be another server's local one, whose writes a leader takes. */
  mayBeElsewhere(id: bigint): boolean {
    return this.foreign?.mayLive(id) === true;
  }

  get(id: bigint): Session<Owner> | undefined {
    return this.#sessions.get(id);
  }

  /**
   * Makes a global session, by transaction or from a snapshot. One that is known gets the timeout; if it was local it
   * becomes global.
   */
  open(id: bigint, timeoutMs: number): Session<Owner> {
    const known = this.#sessions.get(id);
    if (known === undefined) {
      return this.#add(new Session(id, timeoutMs, false));
    }
    if (known.local) {
      known.local = false;
      known.upgrading = false;
      this.#localCount--;
    }
    known.opening = false;
    known.timeoutMs = timeoutMs;
    return known;
  }

  /** Makes a global session whose createSession will come; one that is known stays as it is. */
  expect(id: bigint, timeoutMs: number): Session<Owner> {
    const known = this.#sessions.get(id);
    if (known !== undefined) {
      return known;
    }
    const session = this.#add(new Session<Owner>(id, timeoutMs, false));
    session.opening = true;
    return session;
  }

  /** Its client has come there with it, if it is known. */
  claim(home: object, id: bigint): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) {
      session.home = home;
    }
  }

  /** Its client has come there with it, if only by the leader's word. */
  moveTo(home: object, id: bigint, timeoutMs: number): void {
    this.expect(id, timeoutMs).home = home;
  }

  /** Whether its client has gone on at another place. */
  isElsewhere(home: object, id: bigint): boolean {
    return (this.#sessions.get(id)?.home ?? home) !== home;
  }

  /** This server no longer serves: what is left are the global sessions, as they are in the history. */
  ceaseServing(): void {
    this.foreign = null;
    for (const session of [...this.#sessions.values()]) {
      if (session.local || session.opening) {
        this.close(session.id);
      }
      session.upgrading = false;
      session.closing = false;
      session.home = null;
      session.owner = null;
      session.expiresAtMs = 0;
    }
  }

  /** Makes a local session; the id must be new. */
  openLocal(id: bigint, timeoutMs: number): Session<Owner> {
    this.#localCount++;
    return this.#add(new Session(id, timeoutMs, true));
  }

  /** Forgets a session and returns it; undefined if it was not known. */
  close(id: bigint): Session<Owner> | undefined {
    const session = this.#sessions.get(id);
    if (session !== undefined) {
      this.#sessions.delete(id);
      this.#localCount -= session.local ? 1 : 0;
      if (!session.local) {
        this.foreign?.ended(id);
      }
    }
    return session;
  }

  clear(): void {
    this.#sessions.clear();
    this.#localCount = 0;
  }

  values(): IterableIterator<Session<Owner>> {
    return this.#sessions.values();
  }

  /** Timeouts in ms of the global sessions by id, as a snapshot keeps them. A copy. */
  globalTimeouts(): Map<bigint, number> {
    const timeouts = new Map<bigint, number>();
    for (const session of this.#sessions.values()) {
      if (!session.local && !session.opening) {
        timeouts.set(session.id, session.timeoutMs);
      }
    }
    return timeouts;
  }

  #add(session: Session<Owner>): Session<Owner> {
    this.#sessions.set(session.id, session);
    return session;
  }
}

/**
 * Makes session ids: the server's id in the top byte, 40 bits of the clock at its start, then a counter. A restarted
 * server's ids are new as long as fewer than 65536 sessions were made per millisecond of its former life.
 */
export class SessionIds {
  #next: bigint;

  /** `serverId` is that of `myid` (1 for a standalone server); `startedAtMs` the wall clock, ms since 1970. */
  constructor(serverId: number, startedAtMs: number) {
    const clock = BigInt.asUintN(40, BigInt(Math.floor(startedAtMs)));
    this.#next = BigInt.asIntN(64, (BigInt(serverId) << 56n) | (clock << 16n));
  }

  /** A new id, as a signed 64-bit number; neither 0 nor the mark of container nodes, nor one that `isTaken`. */
  next(isTaken: (id: bigint) => boolean): bigint {
    let id = this.#next;
    while (id === 0n || id === CONTAINER_OWNER || isTaken(id)) {
      id = BigInt.asIntN(64, id + 1n);
    }
    this.#next = BigInt.asIntN(64, id + 1n);
    return id;
  }
}

/** The timeout a client gets: what it asked for, within the server's bounds, all in ms (client-protocol.md §2.4). */
export function negotiateTimeout(requestedMs: number, minMs: number, maxMs: number): number {
  return Math.min(Math.max(requestedMs, minMs), maxMs);
}
