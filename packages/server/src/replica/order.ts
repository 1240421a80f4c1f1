/**
 * Where writes get their place in the order of all writes. A leader prepares and proposes them (writes.ts), a learner
 * has its leader do so; requests, sessions and the reaper know only this.
 */
import type { Id } from '@treekeeper/protocol';
import type { WriteOperation } from '../operations/operation.ts';
import type { ClientConnection } from './client-connection.ts';
import type { InFlight } from './writes.ts';

/** Where the body of a client's request lies, for as long as its frame is being read: it is forwarded as it came. */
export interface RequestBody {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** What a sync waits for: that everything through `zxid` has been applied here. Infinity: not known yet. */
export interface Barrier {
  readonly zxid: number;
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
