/** Runs a Session on the real world: connections, one timer, names, and the promises of those who wait. */
import { Call, type CallCarrier, type CallHandlers, type CallTerms } from './call.ts';
import { eventChannel, stateChannel } from './diagnostics.ts';
import { TreekeeperError } from './errors.ts';
import { askServer } from './four-letter.ts';
import type { DefaultAcl } from './new-node.ts';
import type { SaslConversation } from './sasl/conversation.ts';
import { authOperation } from './session/internal-requests.ts';
import { Session } from './session/session.ts';
import type {
  HostPort,
  SessionConfig,
  SessionOutput,
  Watcher,
  WatchRegistration,
  WireOperation,
} from './session/types.ts';
import { StateFeed } from './state-feed.ts';
import type { Resolver, Transport, TransportConnection } from './transport.ts';
import type { CallOptions, RetryPolicy, SessionState, WatchEvent } from './types.ts';

/** The world of a session. */
export interface DriverSettings {
  readonly session: SessionConfig;
  readonly requestTimeoutMs: number;
  /** Of new nodes without one of their own; a function is asked with the path as the server knows it. */
  readonly acl: DefaultAcl;
  readonly retry: RetryPolicy | false;
  readonly transport: Transport;
  readonly resolver: Resolver;
  /** Begins a conversation with the server of this name; null without SASL. */
  readonly sasl: ((host: string) => SaslConversation) | null;
}

/** A watcher that can be told. */
export interface ToldWatcher extends Watcher {
  tell(event: WatchEvent): void;
}

/** Timers of Node fire up to so much early. */
export const TIMER_EARLY_MS = 1;
/** Longer deadlines may be shorter by the stretch of work in which the call was made. */
const EXACT_TIMEOUT_MS_MAX = 10_000;
/** Longer waits overflow Node's timers. */
const TIMER_MS_MAX = 0x7fffffff;

export class Driver implements CallCarrier {
  readonly settings: DriverSettings;
  readonly session: Session;
  readonly states: StateFeed;
  /** Told when every server was tried, and none can be reached. */
  onAlone: (() => void) | null = null;
  #connection: TransportConnection | null = null;
  #sasl: SaslConversation | null = null;
  #timer: NodeJS.Timeout | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isFlushDue = false;
  #isDraining = false;
  #nowMs = performance.now();
  #usualTerms: CallTerms | null = null;

  constructor(settings: DriverSettings) {
    this.settings = settings;
    this.session = new Session(settings.session);
    this.states = new StateFeed(this.session.state);
  }

  /** Time of this stretch of work: looked up once between two visits of the event loop, for calls come in swarms. */
  get nowMs(): number {
    if (!this.#isFlushDue) {
      this.#nowMs = performance.now();
      this.#flushLater();
    }
    return this.#nowMs;
  }

  get sessionId(): bigint {
    return this.session.sessionId;
  }

  /** `host:port` of the server that serves, or is being tried. */
  get server(): string | null {
    const { host } = this.session;
    return host === null ? null : `${host.host}:${host.port}`;
  }

  start(): void {
    this.session.start(this.nowMs);
    this.#drain();
  }

  /** The terms of a call that begins now; without options the same for all that begin at the same time. */
  terms(options?: CallOptions | undefined): CallTerms {
    if (options !== undefined) {
      const { signal, timeoutMs = this.settings.requestTimeoutMs, retry = this.settings.retry } = options;
      return { signal, deadlineMs: this.#deadlineMs(timeoutMs), retry };
    }
    const deadlineMs = this.#deadlineMs(this.settings.requestTimeoutMs);
    if (this.#usualTerms?.deadlineMs !== deadlineMs) {
      this.#usualTerms = { signal: undefined, deadlineMs, retry: this.settings.retry };
    }
    return this.#usualTerms;
  }

  /** A short one counts from this very moment: it might be over when a long stretch of work is. */
  #deadlineMs(timeoutMs: number): number {
    return (timeoutMs < EXACT_TIMEOUT_MS_MAX ? performance.now() : this.nowMs) + timeoutMs;
  }

  /** Makes a call; the promise is its outcome. */
  call<Reply, Result>(
    operation: WireOperation,
    body: unknown,
    name: string,
    path: string | undefined,
    terms: CallTerms,
    watch: WatchRegistration | null,
    handlers: CallHandlers<Reply, Result>,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      new Call(this, operation, body, name, path, terms, watch, handlers, settle, reject).start();
    });
  }

  submit(call: Call): void {
    if (call.operation === authOperation) {
      this.session.addAuth(call, this.nowMs);
    } else {
      this.session.submit(call, this.nowMs);
    }
    this.#flushLater();
  }

  abandon(call: Call, cause: unknown): void {
    this.session.abandon(call, cause);
    this.#flushLater();
  }

  setHosts(hosts: readonly HostPort[]): void {
    this.#input((nowMs) => this.session.setHosts(hosts, nowMs));
  }

  close(keepSession: boolean): void {
    this.session.close(this.nowMs, keepSession);
    this.#drain();
  }

  /**
   * One write for all requests of this stretch of work: behind the microtasks, in which answered calls make their next
   * ones, and behind those that these answer.
   */
  #flushLater(): void {
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      queueMicrotask(this.#afterMicrotasks);
    }
  }

  readonly #afterMicrotasks = (): void => process.nextTick(this.#flush);

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    this.#drain();
  };

  /** Does what the session wants done, and sees to its next waking. */
  #drain(): void {
    if (this.#isDraining) {
      return;
    }
    this.#isDraining = true;
    const { outputs } = this.session;
    for (let i = 0; i < outputs.length; i++) {
      this.#perform(outputs[i] as SessionOutput);
    }
    outputs.length = 0;
    this.#isDraining = false;
    const bytes = this.session.takeBytes();
    if (bytes !== null) {
      this.#connection?.write(bytes);
    }
    this.#setTimer();
    if (this.onAlone !== null && this.session.isAlone) {
      this.onAlone();
    }
  }

  #perform(output: SessionOutput): void {
    switch (output.kind) {
      case 'request':
        if (output instanceof Call) {
          output.settle();
        }
        return;
      case 'event':
        return this.#tell(output);
      case 'state':
        return this.#tellState(output.state, output.reason);
      case 'resolve':
        return this.#resolve(output.connection, output.host);
      case 'connect':
        return this.#connect(output);
      case 'disconnect':
        return this.#disconnect();
      case 'probe':
        return this.#probe(output);
      case 'sasl':
        return this.#converse(output);
    }
  }

  #tell({ watcher, type, path, zxid }: Extract<SessionOutput, { kind: 'event' }>): void {
    if (eventChannel.hasSubscribers) {
      eventChannel.publish({ type, path, zxid, sessionId: this.session.sessionId });
    }
    (watcher as ToldWatcher).tell({ type, path, zxid });
  }

  #tellState(state: SessionState, reason: string | null): void {
    if (stateChannel.hasSubscribers) {
      stateChannel.publish({ state, reason, sessionId: this.session.sessionId, server: this.server });
    }
    this.states.push(state, reason);
  }

  /** An input from the world, and what follows from it. */
  #input(feed: (nowMs: number) => void): void {
    this.#nowMs = performance.now();
    feed(this.#nowMs);
    this.#drain();
  }

  #resolve(connection: number, host: string): void {
    this.settings.resolver(host).then(
      (addresses) => this.#input((nowMs) => this.session.resolved(connection, addresses, nowMs)),
      (error: unknown) => this.#input((nowMs) => this.session.failed(connection, messageOf(error), nowMs)),
    );
  }

  #connect(target: Extract<SessionOutput, { kind: 'connect' }>): void {
    const { connection } = target;
    this.#connection = this.settings.transport.connect(target, {
      opened: () => this.#input((nowMs) => this.session.opened(connection, nowMs)),
      received: (bytes) => this.#input((nowMs) => this.session.received(connection, bytes, nowMs)),
      closed: (reason) =>
        this.#input((nowMs) =>
          this.session.failed(
            connection,
            reason === null ? 'the server closed the connection' : messageOf(reason),
            nowMs,
            isTlsRefusal(reason) ? true : undefined,
          ),
        ),
    });
  }

  #disconnect(): void {
    this.#connection?.destroy();
    this.#connection = null;
    this.#sasl?.dispose();
    this.#sasl = null;
  }

  #probe({ probe, host, port }: Extract<SessionOutput, { kind: 'probe' }>): void {
    const { transport, resolver } = this.settings;
    askServer(transport, resolver, { host, port }, 'isro').then(
      (answer) => this.#input((nowMs) => this.session.probed(probe, answer, nowMs)),
      () => this.#input((nowMs) => this.session.probed(probe, null, nowMs)),
    );
  }

  #converse({ connection, host, challenge }: Extract<SessionOutput, { kind: 'sasl' }>): void {
    if (challenge === null) {
      this.#sasl = this.settings.sasl?.(host) ?? null;
    }
    const conversation = this.#sasl;
    if (conversation === null) {
      return;
    }
    conversation.step(challenge).then(
      (token) =>
        this.#input((nowMs) =>
          token === null
            ? this.session.saslDone(connection, nowMs)
            : this.session.saslToken(connection, token, nowMs, conversation.isSatisfied),
        ),
      (error: unknown) => this.#input((nowMs) => this.session.saslFailed(connection, messageOf(error), nowMs)),
    );
  }

  #setTimer(): void {
    const atMs = this.session.wakeAtMs;
    if (atMs >= this.#timerAtMs && atMs !== Number.POSITIVE_INFINITY) {
      return; // the timer that runs fires early enough, and looks again
    }
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) {
      return;
    }
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(0, atMs - this.#nowMs) + TIMER_EARLY_MS);
    this.#timer = setTimeout(this.#onTimer, delayMs);
  }

  /** What has come meanwhile is looked at first: a program that was busy for long must not take it for silence. */
  readonly #onTimer = (): void => {
    this.#timer = null;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    setImmediate(() => {
      this.#input((nowMs) => {
        if (nowMs >= this.session.wakeAtMs) {
          this.session.tick(nowMs);
        }
      });
    });
  };
}

/** Handshake failure, bad certificate, certificate unknown, unknown authority, certificate required (RFC 8446 §6). */
const REFUSING_ALERT = /alert number (?:40|42|46|48|116)\b/;

/** The server does not take our certificate, or misses one: under TLS 1.3 it says so when the connection is open. */
function isTlsRefusal(error: Error | null): boolean {
  return error !== null && REFUSING_ALERT.test(error.message);
}

function messageOf(error: unknown): string {
  if (error instanceof TreekeeperError || !(error instanceof Error)) {
    return String(error);
  }
  if (isTlsRefusal(error)) {
    // OpenSSL's own words, without where in its code they come from.
    const { reason } = error as Error & { readonly reason?: string };
    return `the server refuses the TLS connection: ${reason ?? error.message.trim()}`;
  }
  return error.message === '' ? error.name : error.message;
}
