import { OpCode } from '@treekeeper/protocol';
import { type OperationStartMessage, operationChannel, operationStartChannel } from './diagnostics.ts';
import { inDoubt, TreekeeperError } from './errors.ts';
import { limits } from './limits.ts';
import type { RequestFailure, SessionRequest, WatchRegistration, WireOperation } from './session/types.ts';
import type { RetryPolicy } from './types.ts';

/** The options of a call with its deadline as a point in time, so that parts of it can share it. */
export interface CallTerms {
  readonly signal: AbortSignal | undefined;
  /** On the driver's clock. */
  readonly deadlineMs: number;
  readonly retry: RetryPolicy | false;
}

/** What to make of an outcome. */
export interface CallHandlers<Reply, Result> {
  /** May throw TreekeeperError. */
  finish(reply: Reply): Result | Promise<Result>;
  /** Turns a failure into a result; undefined leaves it one. */
  rescue?(failure: RequestFailure): { readonly result: Result } | undefined;
}

/** What runs calls. */
export interface CallCarrier {
  /** Of this stretch of work. */
  readonly nowMs: number;
  readonly sessionId: bigint;
  /** `host:port`; null without one. */
  readonly server: string | null;
  /** Begins an attempt; `settle` ends it. */
  submit(call: Call): void;
  /** Nobody waits for it any more. */
  abandon(call: Call, cause: unknown): void;
}

/** One call through all its attempts: a request of the session, and the promise behind it. */
export class Call implements SessionRequest {
  readonly kind = 'request';
  readonly operation: WireOperation;
  readonly body: unknown;
  readonly watch: WatchRegistration | null;
  readonly deadlineMs: number;
  readonly name: string;
  readonly path: string | undefined;
  phase: SessionRequest['phase'] = 'new';
  xid = 0;
  encoded: Uint8Array | null = null;
  failure: RequestFailure | null = null;
  value: unknown = undefined;
  zxid: bigint | null = null;
  requestBytes = 0;
  replyBytes = 0;
  readonly #carrier: CallCarrier;
  readonly #terms: CallTerms;
  readonly #handlers: CallHandlers<never, unknown>;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #startMs: number;
  #startTold: OperationStartMessage | null = null;
  #attempts = 1;
  /** An attempt before this one may have changed something: no later failure makes the call safe to repeat. */
  #isUncertain = false;
  #retryTimer: NodeJS.Timeout | null = null;
  #onAbort: (() => void) | null = null;

  constructor(
    carrier: CallCarrier,
    operation: WireOperation,
    body: unknown,
    name: string,
    path: string | undefined,
    terms: CallTerms,
    watch: WatchRegistration | null,
    handlers: CallHandlers<never, unknown>,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.#carrier = carrier;
    this.operation = operation;
    this.body = body;
    this.name = name;
    this.path = path;
    this.#terms = terms;
    this.deadlineMs = terms.deadlineMs;
    this.watch = watch;
    this.#handlers = handlers;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startMs = operationChannel.hasSubscribers ? performance.now() : 0;
  }

  start(): void {
    const { signal } = this.#terms;
    if (signal !== undefined) {
      if (signal.aborted) {
        this.failure = { code: 'ABORTED', retry: 'safe', message: undefined, cause: signal.reason };
        this.#reject(this.#error(this.failure));
        return;
      }
      this.#onAbort = () => this.#abort(signal.reason);
      signal.addEventListener('abort', this.#onAbort, { once: true });
    }
    if (operationStartChannel.hasSubscribers) {
      const { sessionId } = this.#carrier;
      this.#startTold = { operation: this.name, path: this.path ?? null, sessionId };
      operationStartChannel.publish(this.#startTold);
    }
    this.#carrier.submit(this);
  }

  /** The session is done with it. */
  settle(): void {
    const { failure } = this;
    if (failure === null) {
      this.#succeed();
      return;
    }
    const rescued = this.#handlers.rescue?.(failure);
    if (rescued !== undefined) {
      this.#end();
      this.#resolve(rescued.result);
      return;
    }
    const error = this.#error(failure);
    let delayMs: number | null;
    try {
      delayMs = this.#delayMs(error);
    } catch (fault) {
      this.#end(); // of the program's own `when`
      this.#reject(fault);
      return;
    }
    if (delayMs === null) {
      this.#end();
      this.#reject(error);
      return;
    }
    this.#attempts++;
    this.#isUncertain ||= error.retry === 'unknown' && !this.operation.isRead;
    this.phase = 'new';
    this.failure = null;
    if (delayMs === 0) {
      this.#carrier.submit(this);
      return;
    }
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#carrier.submit(this);
    }, delayMs);
  }

  #succeed(): void {
    this.#end();
    try {
      this.#resolve(this.#handlers.finish(this.value as never));
    } catch (error) {
      this.#reject(this.#isUncertain ? inDoubt(error) : error);
    }
  }

  #abort(cause: unknown): void {
    this.#onAbort = null;
    if (this.#retryTimer === null) {
      this.#carrier.abandon(this, cause);
      return;
    }
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.failure = { code: 'ABORTED', retry: 'safe', message: undefined, cause };
    this.#end();
    this.#reject(this.#error(this.failure));
  }

  /** Before the next attempt; null if there shall be none. */
  #delayMs(error: TreekeeperError): number | null {
    const { retry, deadlineMs } = this.#terms;
    if (retry === false || error.code === 'TIMEOUT' || error.code === 'ABORTED') {
      return null;
    }
    const { attemptsMax = limits.retryAttemptsMax, when } = retry;
    if (this.#attempts >= attemptsMax) {
      return null;
    }
    const isWanted = when === undefined ? isPassing(error) && !this.#placeMatters : when(error, this.#attempts);
    if (!isWanted) {
      return null;
    }
    // Without a connection it waits for one anyway, and the session paces its attempts.
    const delayMs = error.code === 'CONNECTION_LOSS' ? 0 : backoffMs(retry, this.#attempts);
    return this.#carrier.nowMs + delayMs < deadlineMs ? delayMs : null;
  }

  /**
   * A later attempt would be behind what the program has asked for meanwhile. For a read that is as good; a write that
   * was refused would be done behind later ones, and overwrite them. Not so reconfig, which says what it goes out from.
   */
  get #placeMatters(): boolean {
    return !this.operation.isRead && this.operation.opcode !== OpCode.reconfig;
  }

  #end(): void {
    if (this.#onAbort !== null) {
      this.#terms.signal?.removeEventListener('abort', this.#onAbort);
      this.#onAbort = null;
    }
    if (operationChannel.hasSubscribers) {
      operationChannel.publish({
        operation: this.name,
        path: this.path ?? null,
        latencyMs: this.#startMs === 0 ? 0 : performance.now() - this.#startMs,
        requestBytes: this.requestBytes,
        replyBytes: this.replyBytes,
        retries: this.#attempts - 1,
        errorCode: this.failure?.code ?? null,
        sessionId: this.#carrier.sessionId,
        server: this.#carrier.server,
        start: this.#startTold,
      });
    }
  }

  #error({ code, retry, message, cause }: RequestFailure): TreekeeperError {
    const { name: operation, path, zxid } = this;
    const error = new TreekeeperError(code, { operation, path, zxid: zxid ?? undefined, retry, message, cause });
    return this.#isUncertain ? inDoubt(error) : error;
  }
}

/** Safe to repeat, and soon of use. */
export function isPassing({ code, retry }: TreekeeperError): boolean {
  return retry === 'safe' && code !== 'NOT_READ_ONLY';
}

/** How long to wait after so many attempts. */
export function backoffMs(policy: RetryPolicy, attempts: number): number {
  const { delayMinMs = limits.retryDelayMinMs, delayMaxMs = limits.retryDelayMaxMs } = policy;
  return Math.min(delayMaxMs, delayMinMs * 2 ** (attempts - 1)) * (1 - Math.random() / 2);
}
