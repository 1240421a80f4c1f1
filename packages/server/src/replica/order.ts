/**
 * Where writes get their place in the order of all writes. A leader prepares and proposes them (writes.ts), a learner
 * has its leader do so; requests, sessions and the reaper know only this.
 */
import type { Id } from '@treekeeper/protocol';
import type { Txn, WriteOperation } from '../operations/operation.ts';
import type { DigestSum } from '../tree/digest.ts';
import type { Barrier, ClientConnection } from './client-connection.ts';

/** Where the body of a client's request lies, for as long as its frame is being read: it is forwarded as it came. */
export interface RequestBody {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** A proposed transaction, until it is applied. */
export interface InFlight {
  readonly zxid: number;
  readonly timeMs: number;
  readonly sessionId: bigint;
  readonly txn: Txn;
  /** The tree's digest after it; null when digests are off, and where nobody said what it is. */
  readonly digest: DigestSum | null;
  /** Changes it has made to the pending ones. */
  readonly changeCount: number;
  /** Who gets the answer; null for the server's own transactions. */
  readonly client: ClientConnection | null;
  readonly xid: number;
  /** Null for a createSession: its answer is the handshake's. */
  readonly operation: WriteOperation | null;
  /** Null where the body did not decode, and for a createSession. */
  readonly request: unknown;
  /** Of the client, when the request was read. */
  readonly identities: readonly Id[];
  readonly receivedMs: number;
}

export interface OrderSource {
  /** Ordered and not applied. */
  readonly inFlightCount: number;
  /** Changes of nodes that this server has prepared and not applied. */
  readonly changesInFlight: number;
  /** Whether the world is what its last zxid says, and no more. */
  readonly isEven: boolean;

  /**
   * Has a write ordered. A refused one is ordered too, as an error transaction. `client` is null for the server's own
   * writes (session 0, expired sessions), which have no body.
   */
  submit(
    operation: WriteOperation,
    request: unknown,
    sessionId: bigint,
    identities: readonly Id[],
    client: ClientConnection | null,
    xid: number,
    body: RequestBody | null,
  ): void;

  /** A write whose body does not decode, where that consumes a zxid. */
  submitMalformed(
    operation: WriteOperation,
    sessionId: bigint,
    client: ClientConnection,
    xid: number,
    body: RequestBody,
  ): void;

  /** A new session; `client` is the connection whose handshake waits for it, null when a local session is upgraded. */
  openSession(sessionId: bigint, timeoutMs: number, client: ClientConnection | null): void;

  /** What a client's sync has to wait for. */
  sync(client: ClientConnection, xid: number, body: RequestBody): Barrier;

  /** The next transaction to apply, committed or not. */
  nextInFlight(): InFlight | null;
  /** The next transaction to apply, if it is committed; the caller has it applied. */
  nextCommitted(): InFlight | null;
  /** Applies it to the tables. Returns whether the tree's digest is the one that it should be. */
  apply(entry: InFlight): boolean;
}
