import type { JuteReader, JuteWriter } from '@treekeeper/protocol';
import type { RetryAdvice, TreekeeperErrorCode } from '../errors.ts';
import type { SessionState, WatchEventType } from '../types.ts';

/** One operation of the protocol, as far as the session must know it. */
export interface WireOperation {
  readonly opcode: number;
  /** A read may be repeated when its answer was lost. */
  readonly isRead: boolean;
  encode(writer: JuteWriter, body: never): void;
  decode(reader: JuteReader): unknown;
}

/** Tables in which a watch can stand (client-protocol.md §7.1). */
export type WatchTableName = 'data' | 'exist' | 'child' | 'persistent' | 'recursive';

/** Who is told; opaque to the session, and one watch on one path however often it is set. */
export interface Watcher {
  readonly kind: 'watcher';
}

/** A watch that a request sets if it succeeds; an `exists` watch also if there is no node. */
export interface WatchRegistration {
  readonly on: 'data' | 'exists' | 'child' | 'persistent' | 'recursive';
  /** As the server knows it. */
  readonly path: string;
  readonly watcher: Watcher;
}

/** A request through its life. The caller makes it; the session fills in what becomes of it, and hands it back. */
export interface SessionRequest {
  readonly kind: 'request';
  readonly operation: WireOperation;
  readonly body: unknown;
  readonly watch: WatchRegistration | null;
  /** On the session's clock; Infinity for none. */
  readonly deadlineMs: number;
  phase: 'new' | 'queued' | 'sent' | 'done';
  xid: number;
  /** The request's bytes behind the header while it waits: what was meant when the call was made. */
  encoded: Uint8Array | null;
  /** Null: it succeeded, and `value` is the answer. */
  failure: RequestFailure | null;
  value: unknown;
  /** Of the answer. */
  zxid: bigint | null;
  requestBytes: number;
  replyBytes: number;
}

/** Why a request failed. */
export interface RequestFailure {
  readonly code: TreekeeperErrorCode;
  readonly retry: RetryAdvice | undefined;
  readonly message: string | undefined;
  readonly cause: unknown;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** What the session wants done, in order. Bytes to be sent are taken apart from these: `takeBytes`. */
export type SessionOutput =
  | SessionRequest
  | {
      readonly kind: 'event';
      readonly watcher: Watcher;
      readonly type: WatchEventType;
      readonly path: string;
      readonly zxid: bigint | null;
    }
  | { readonly kind: 'state'; readonly state: SessionState; readonly reason: string | null }
  /** Answer with `resolved`, or `failed`. */
  | { readonly kind: 'resolve'; readonly connection: number; readonly host: string }
  /** Answer with `opened`, `received`, `failed`. */
  | ({ readonly kind: 'connect'; readonly connection: number; readonly address: string } & HostPort)
  /** Expects no answer any more from this connection. */
  | { readonly kind: 'disconnect'; readonly connection: number }
  /** Ask `isro`; answer with `probed`. */
  | ({ readonly kind: 'probe'; readonly probe: number } & HostPort)
  /** Answer with `saslToken`, `saslDone` or `saslFailed`. */
  | {
      readonly kind: 'sasl';
      readonly connection: number;
      readonly host: string;
      /** Null at the beginning. */
      readonly challenge: Uint8Array | null;
    };

export interface SessionConfig {
  readonly hosts: readonly HostPort[];
  readonly shuffle: boolean;
  readonly sessionTimeoutMs: number;
  readonly readOnly: boolean;
  readonly session: { readonly id: bigint; readonly password: Uint8Array } | null;
  readonly onExpired: 'close' | 'new-session';
  readonly expireByOwnClock: boolean;
  readonly sasl: boolean;
  readonly inFlightMax: number;
  readonly queuedMax: number;
  readonly requestBytesMax: number;
  readonly replyBytesMax: number;
  /** In [0, 1). */
  readonly random: () => number;
}
