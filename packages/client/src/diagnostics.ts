/** What can be listened to with `node:diagnostics_channel`: README.md. */
import { channel } from 'node:diagnostics_channel';
import type { TreekeeperErrorCode } from './errors.ts';
import type { SessionState, WatchEventType } from './types.ts';

/**
 * Published on channel `treekeeper:client:operation` when a call is over.
 *
 * @example
 * ```ts
 * const seen: OperationMessage[] = [];
 * const listener = (message: unknown): void => void seen.push(message as OperationMessage);
 * subscribe('treekeeper:client:operation', listener);
 * await client.exists('/');
 * unsubscribe('treekeeper:client:operation', listener);
 * console.assert(seen[0]?.operation === 'exists' && seen[0].errorCode === null && seen[0].latencyMs >= 0);
 * ```
 */
export interface OperationMessage {
  /** The method: `get`, `create`, ... Those made of several requests publish each of them. */
  readonly operation: string;
  /** As the caller gave it; null for operations without one. */
  readonly path: string | null;
  /** From the call to its end, repetitions and waiting included. */
  readonly latencyMs: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Null: it succeeded. */
  readonly errorCode: TreekeeperErrorCode | null;
  readonly sessionId: bigint;
  /** `host:port` of the server at the end of the call; null without one. */
  readonly server: string | null;
  /** The very message that told its start; null if nobody listened for starts then. */
  readonly start: OperationStartMessage | null;
}

/**
 * Published on channel `treekeeper:client:operation:start` when a call begins, in the context of its caller: there is
 * the span to which a span of this call belongs.
 *
 * @example
 * ```ts
 * const spans = new Map<OperationStartMessage, string>();
 * const onStart = (message: unknown): void => {
 *   const start = message as OperationStartMessage;
 *   spans.set(start, `${start.operation} ${start.path}`);
 * };
 * const onEnd = (message: unknown): void => {
 *   const { start } = message as OperationMessage;
 *   console.assert(start !== null && spans.get(start) === 'exists /');
 * };
 * subscribe('treekeeper:client:operation:start', onStart);
 * subscribe('treekeeper:client:operation', onEnd);
 * await client.exists('/');
 * unsubscribe('treekeeper:client:operation:start', onStart);
 * unsubscribe('treekeeper:client:operation', onEnd);
 * console.assert(spans.size === 1);
 * ```
 */
export interface OperationStartMessage {
  readonly operation: string;
  readonly path: string | null;
  readonly sessionId: bigint;
}

/**
 * Published on channel `treekeeper:client:state` when the session's state has changed.
 *
 * @example
 * ```ts
 * const seen: StateMessage[] = [];
 * const listener = (message: unknown): void => void seen.push(message as StateMessage);
 * subscribe('treekeeper:client:state', listener);
 * const other = await connect(connectString);
 * await other.close();
 * unsubscribe('treekeeper:client:state', listener);
 * console.assert(seen.some(({ state, sessionId }) => state === 'closed' && sessionId === other.sessionId));
 * ```
 */
export interface StateMessage {
  readonly state: SessionState;
  /** Why, where there is something to say. */
  readonly reason: string | null;
  readonly sessionId: bigint;
  readonly server: string | null;
}

/**
 * Published on channel `treekeeper:client:event` for every watch event that is delivered.
 *
 * @example
 * ```ts
 * const seen: EventMessage[] = [];
 * const listener = (message: unknown): void => void seen.push(message as EventMessage);
 * subscribe('treekeeper:client:event', listener);
 * await client.exists('/soon', { watch: () => undefined });
 * await client.create('/soon');
 * unsubscribe('treekeeper:client:event', listener);
 * console.assert(seen[0]?.type === 'created' && seen[0].path === `${client.root}/soon`);
 * ```
 */
export interface EventMessage {
  readonly type: WatchEventType;
  /** From the real root. */
  readonly path: string;
  readonly zxid: bigint | null;
  readonly sessionId: bigint;
}

export const operationStartChannel = channel('treekeeper:client:operation:start');
export const operationChannel = channel('treekeeper:client:operation');
export const stateChannel = channel('treekeeper:client:state');
export const eventChannel = channel('treekeeper:client:event');
