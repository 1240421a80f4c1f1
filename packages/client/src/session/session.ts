/**
 * The session as a machine: fed with plain data, drained of plain data. Time is an argument, waiting is a stored
 * deadline (`wakeAtMs`), randomness is given: no socket, timer or promise in here. After every call the driver does what
 * stands in `outputs`, in order, and writes what `takeBytes` gives it. README.md draws the states.
 */
import { FrameLengthError, FrameReader, JuteError, JuteReader, SpecialXid, WatcherEvent } from '@treekeeper/protocol';
import type { TreekeeperErrorCode } from '../errors.ts';
import { limits } from '../limits.ts';
import type { SessionState } from '../types.ts';
import { Authentication } from './authentication.ts';
import { type Introduction, PASSWORD_BYTES, readAnswer, writeIntroduction } from './handshake.ts';
import { Hosts, pick } from './hosts.ts';
import { closeOperation, internalRequest } from './internal-requests.ts';
import { ReadWriteSearch } from './read-write-search.ts';
import { ProtocolViolation, Requests } from './requests.ts';
import { attemptTimeoutMs, ownExpiryMs, pingIntervalMs, readTimeoutMs } from './timing.ts';
import type { HostPort, SessionConfig, SessionOutput, SessionRequest, Watcher, WatchTableName } from './types.ts';
import { WatchKeeper } from './watch-keeper.ts';

/** How far the present attempt has come. */
type Phase = 'idle' | 'pausing' | 'resolving' | 'opening' | 'handshaking' | 'authenticating' | 'serving' | 'ended';

const NEVER = Number.POSITIVE_INFINITY;

export class Session {
  readonly outputs: SessionOutput[] = [];
  readonly #config: SessionConfig;
  readonly #hosts: Hosts;
  readonly #requests: Requests;
  readonly #watches: WatchKeeper;
  readonly #authentication: Authentication;
  readonly #search: ReadWriteSearch;
  readonly #reader: JuteReader;
  #frames: FrameReader;
  #state: SessionState = 'connecting';
  #phase: Phase = 'idle';
  /** Of the present attempt; inputs of other ones are late, and mean nothing. */
  #connection = 0;
  #host: HostPort | null = null;
  /** Until then the attempt must be through, or the pause is over. */
  #phaseEndsMs = NEVER;
  #sessionId = 0n;
  #password: Uint8Array = new Uint8Array(PASSWORD_BYTES);
  #timeoutMs: number;
  /** A session of a read-only server alone is not worth resuming elsewhere. */
  #isResumable = false;
  #introduction: Introduction | null = null;
  #lastZxid = 0n;
  #lastHeardMs = 0;
  #lastSentMs = 0;
  #nowMs = 0;
  /** Nothing new is sent, and then another server looked for. */
  #isLeaving = false;
  #closing: SessionRequest | null = null;
  #closeEndsMs = NEVER;
  #ended: { readonly code: TreekeeperErrorCode; readonly message: string | undefined } | null = null;

  constructor(config: SessionConfig) {
    this.#config = config;
    this.#hosts = new Hosts(config.hosts, config.shuffle, config.random);
    this.#requests = new Requests(config, this.outputs);
    this.#watches = new WatchKeeper(config.requestBytesMax, this.#requests, this.outputs);
    this.#authentication = new Authentication(this.#requests, this.outputs);
    this.#search = new ReadWriteSearch(this.#hosts, this.outputs);
    this.#reader = new JuteReader(undefined, config.replyBytesMax);
    this.#frames = new FrameReader(config.replyBytesMax);
    this.#timeoutMs = config.sessionTimeoutMs;
    if (config.session !== null) {
      this.#sessionId = config.session.id;
      this.#password = config.session.password;
      this.#isResumable = true;
    }
  }

  get state(): SessionState {
    return this.#state;
  }

  get sessionId(): bigint {
    return this.#sessionId;
  }

  get password(): Uint8Array {
    return this.#password;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  /** The server that serves the session, or is being tried. */
  get host(): HostPort | null {
    return this.#host;
  }

  /** The connection on which `takeBytes` are to be written. */
  get connection(): number {
    return this.#connection;
  }

  /** What was wrong with each server when it was last tried. */
  get faults(): string {
    return this.#hosts.faults;
  }

  /** Every server was tried, and at none anything answered. */
  get isAlone(): boolean {
    return this.#phase === 'pausing' && this.#hosts.areAllSilent;
  }

  /** Call `tick` no later than this. */
  get wakeAtMs(): number {
    if (this.#phase === 'ended') {
      return NEVER; // or the deadlines of calls that were answered would keep the process alive
    }
    const serving = this.#phase === 'serving';
    return Math.min(
      this.#phaseEndsMs,
      this.#requests.soonestDeadlineMs,
      this.#closeEndsMs,
      serving ? this.#lastSentMs + pingIntervalMs(this.#timeoutMs) : NEVER,
      serving ? this.#lastHeardMs + readTimeoutMs(this.#timeoutMs) : NEVER,
      this.#state === 'connected-read-only' ? this.#search.dueMs : NEVER,
      this.#ownExpiryMs,
    );
  }

  get #ownExpiryMs(): number {
    const counts = this.#config.expireByOwnClock && this.#state === 'disconnected';
    return counts ? this.#lastHeardMs + ownExpiryMs(this.#timeoutMs) : NEVER;
  }

  start(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#attempt();
  }

  /** Takes a request over: it comes back in `outputs` when it is done. */
  submit(request: SessionRequest, nowMs: number): void {
    if (this.#takes(request, nowMs)) {
      this.#requests.submit(request, this.#phase === 'serving' && !this.#isLeaving, nowMs);
    }
  }

  /** Nobody waits for this request any more. */
  abandon(request: SessionRequest, cause: unknown): void {
    this.#requests.fail(request, 'ABORTED', undefined, cause);
  }

  /** As `submit`, for an auth packet: it is said again on every connection. */
  addAuth(request: SessionRequest, nowMs: number): void {
    if (this.#takes(request, nowMs)) {
      this.#authentication.add(request, this.#phase === 'serving');
    }
  }

  #takes(request: SessionRequest, nowMs: number): boolean {
    this.#nowMs = nowMs;
    const isOver = this.#ended !== null || this.#closing !== null;
    if (isOver) {
      this.#requests.fail(request, this.#ended?.code ?? 'CLOSED', this.#ended?.message);
    }
    return !isOver;
  }

  /** Other servers from now on. The connection goes on, or elsewhere when everything is answered: hosts.ts says why. */
  setHosts(hosts: readonly HostPort[], nowMs: number): void {
    this.#nowMs = nowMs;
    const isLeaving = this.#hosts.replace(hosts, this.#host);
    if (this.#phase === 'serving') {
      this.#isLeaving = isLeaving && this.#closing === null;
      this.#goOn();
    } else if (isLeaving && !['idle', 'pausing', 'ended'].includes(this.#phase)) {
      this.#lost('the list of servers has changed');
    }
  }

  /** Returns whether that was the last such watch on the path, so that the server need not keep it. */
  forgetWatcher(table: WatchTableName, path: string, watcher: Watcher): boolean {
    return this.#watches.forget(table, path, watcher);
  }

  /** Tells all watchers in some tables of a path that they are removed. Returns whether others are left, or coming. */
  removeWatches(tables: readonly WatchTableName[], path: string): boolean {
    return this.#watches.remove(tables, path);
  }

  /** Says goodbye to the server behind everything that was submitted; without a server, or to keep it, just ends. */
  close(nowMs: number, keepSession: boolean): void {
    this.#nowMs = nowMs;
    if (this.#ended !== null) {
      this.#setState('closed', null);
    } else if (this.#phase !== 'serving' || keepSession) {
      this.#end('closed', 'CLOSED', null);
    } else if (this.#closing === null) {
      this.#isLeaving = false;
      this.#goOn();
      this.#closing = internalRequest(closeOperation, {});
      this.#closeEndsMs = nowMs + limits.closeTimeoutMs;
      this.#requests.submit(this.#closing, true, nowMs);
    }
  }

  resolved(connection: number, addresses: readonly string[], nowMs: number): void {
    if (!this.#isPresent(connection, nowMs) || this.#phase !== 'resolving' || this.#host === null) {
      return;
    }
    if (addresses.length === 0) {
      this.#lost('the name has no address');
    } else {
      this.#phase = 'opening';
      this.outputs.push({ kind: 'connect', connection, address: pick(addresses, this.#config.random), ...this.#host });
    }
  }

  opened(connection: number, nowMs: number): void {
    if (!this.#isPresent(connection, nowMs) || this.#phase !== 'opening') {
      return;
    }
    this.#phase = 'handshaking';
    const introduction = {
      lastZxid: this.#lastZxid,
      timeoutMs: this.#config.sessionTimeoutMs,
      sessionId: this.#isResumable ? this.#sessionId : 0n,
      password: this.#password,
      readOnly: this.#config.readOnly,
    };
    this.#introduction = introduction;
    this.#requests.sendBare((writer) => writeIntroduction(writer, introduction));
  }

  received(connection: number, bytes: Uint8Array, nowMs: number): void {
    if (!this.#isPresent(connection, nowMs)) {
      return;
    }
    this.#lastHeardMs = nowMs;
    try {
      this.#frames.push(bytes, (frame, start, end) => {
        this.#reader.reset(frame, start, end);
        if (this.#phase === 'handshaking') {
          this.#handshake();
        } else {
          this.#reply();
        }
        return this.#connection === connection && this.#phase !== 'ended';
      });
    } catch (error) {
      // A reply that cannot be understood, or is too long: nothing behind it can be trusted.
      if (error instanceof FrameLengthError && error.length > 0) {
        this.#requests.replyTooLarge(error.length);
      }
      if (!(error instanceof JuteError || error instanceof FrameLengthError || error instanceof ProtocolViolation)) {
        throw error;
      }
      this.#lost(this.#phase === 'handshaking' ? `no ZooKeeper server answers (${error.message})` : error.message);
    }
    this.#goOn();
  }

  /** Sends what waits, or leaves. */
  #goOn(): void {
    if (this.#isLeaving && this.#requests.inFlight === 0) {
      this.#lost('the list of servers has changed');
    } else if (this.#phase === 'serving' && !this.#isLeaving) {
      this.#requests.pump();
    }
  }

  /** The attempt or the connection has come to its end; true: since the server does not take us, and never will. */
  failed(connection: number, reason: string, nowMs: number, isRefused?: true): void {
    if (this.#isPresent(connection, nowMs)) {
      this.#lost(reason, isRefused);
    }
  }

  probed(probe: number, answer: string | null, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#state === 'connected-read-only' && this.#search.answered(probe, answer, nowMs)) {
      this.#lost('a read-write server was found');
    }
  }

  /** `mayEnd`: it is enough that the server accepts this token. */
  saslToken(connection: number, token: Uint8Array, nowMs: number, mayEnd = false): void {
    if (this.#isPresent(connection, nowMs) && this.#phase === 'authenticating') {
      this.#authentication.sendToken(token, mayEnd);
    }
  }

  saslDone(connection: number, nowMs: number): void {
    if (this.#isPresent(connection, nowMs) && this.#phase === 'authenticating') {
      this.#serve();
    }
  }

  saslFailed(connection: number, reason: string, nowMs: number): void {
    if (this.#isPresent(connection, nowMs) && this.#phase === 'authenticating') {
      this.#end('auth-failed', 'AUTH_FAILED', reason);
    }
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs >= this.#requests.soonestDeadlineMs) {
      const why = this.faults === '' ? `the session is ${this.#state}` : this.faults;
      this.#requests.expire(nowMs, this.#authentication.requests(), why);
    }
    if (nowMs >= this.#closeEndsMs) {
      this.#end('closed', 'CLOSED', null);
    } else if (nowMs >= this.#ownExpiryMs) {
      this.#expired('no server was heard for 4/3 of its timeout');
    } else if (nowMs >= this.#phaseEndsMs && this.#phase === 'pausing') {
      this.#attempt();
    } else if (nowMs >= this.#phaseEndsMs) {
      this.#lost(`no answer in time while ${this.#phase}`);
    } else if (this.#phase === 'serving') {
      this.#keepAlive();
    }
  }

  /** The bytes to be written now, null when there are none. */
  takeBytes(): Uint8Array | null {
    if (this.#requests.hasBytes) {
      this.#lastSentMs = this.#nowMs;
    }
    return this.#requests.takeBytes();
  }

  #isPresent(connection: number, nowMs: number): boolean {
    this.#nowMs = nowMs;
    return connection === this.#connection && this.#phase !== 'ended' && this.#phase !== 'pausing';
  }

  #setState(state: SessionState, reason: string | null): void {
    if (state !== this.#state) {
      this.#state = state;
      this.outputs.push({ kind: 'state', state, reason });
    }
  }

  #keepAlive(): void {
    if (this.#nowMs >= this.#lastHeardMs + readTimeoutMs(this.#timeoutMs)) {
      this.#lost('nothing was heard for two thirds of the session timeout');
    } else {
      if (this.#nowMs >= this.#lastSentMs + pingIntervalMs(this.#timeoutMs)) {
        this.#requests.sendPing();
      }
      if (this.#state === 'connected-read-only') {
        this.#search.tick(this.#nowMs);
      }
    }
  }

  #attempt(): void {
    this.#host = this.#hosts.next();
    this.#connection++;
    this.#phase = 'resolving';
    this.#phaseEndsMs = this.#nowMs + attemptTimeoutMs(this.#timeoutMs, this.#hosts.count);
    this.#frames = new FrameReader(this.#config.replyBytesMax);
    this.outputs.push({ kind: 'resolve', connection: this.#connection, host: this.#host.host });
  }

  #handshake(): void {
    const answer = readAnswer(this.#reader, this.#introduction as Introduction);
    if (answer.kind === 'refused') {
      return this.#lost(`the server refused: ${answer.reason}`);
    }
    if (answer.kind === 'gone') {
      return this.#expired('the server says so');
    }
    this.#sessionId = answer.sessionId;
    this.#password = answer.password;
    this.#timeoutMs = answer.timeoutMs;
    this.#isResumable ||= !answer.readOnly;
    this.#search.reset(this.#nowMs, answer.readOnly);
    if (this.#config.sasl) {
      this.#phase = 'authenticating';
      this.#authentication.beginSasl(this.#connection, this.#host as HostPort);
    } else {
      this.#serve();
    }
  }

  /** The order in which a connection is taken into use: client-protocol.md §14. */
  #serve(): void {
    this.#phase = 'serving';
    this.#phaseEndsMs = NEVER;
    this.#lastHeardMs = this.#nowMs;
    this.#hosts.succeeded(this.#nowMs);
    this.#setState(this.#search.isNeeded ? 'connected-read-only' : 'connected', null);
    this.#authentication.replay();
    this.#watches.replay();
    this.#requests.pump();
  }

  #reply(): void {
    const reader = this.#reader;
    const xid = reader.int();
    const zxid = reader.long();
    const errorNumber = reader.int();
    switch (xid) {
      case SpecialXid.watchEvent:
        this.#watches.fire(WatcherEvent.decode(reader), zxid);
        return;
      case SpecialXid.ping:
        this.#watches.covered(zxid);
        return;
      case SpecialXid.auth:
        if (!this.#authentication.answered(errorNumber)) {
          this.#end('auth-failed', 'AUTH_FAILED', null);
        }
        return;
      default:
        this.#answer(this.#requests.answered(xid, zxid, errorNumber, reader), zxid);
    }
  }

  #answer(request: SessionRequest, zxid: bigint): void {
    if (zxid > this.#lastZxid) {
      this.#lastZxid = zxid;
    }
    if (request === this.#closing) {
      this.#end('closed', 'CLOSED', null);
      return;
    }
    const step = this.#authentication.saslAnswered(request, this.#connection, this.#host as HostPort);
    if (step === 'refused') {
      this.#end('auth-failed', 'AUTH_FAILED', 'the server refused SASL, or does not speak it');
    } else if (step === 'done') {
      this.#serve();
    } else if (request.failure?.code === 'SESSION_CLOSED_REQUIRE_AUTH') {
      this.#requests.complete(request);
      this.#end('auth-failed', 'SESSION_CLOSED_REQUIRE_AUTH', null);
    } else if (step === null) {
      this.#watches.answered(request, zxid);
      this.#requests.complete(request);
    }
  }

  /** The connection or the attempt is over; the session is not. */
  #lost(reason: string, isSilent = this.#phase === 'resolving' || this.#phase === 'opening'): void {
    this.#hosts.failed(this.#host, reason, isSilent, this.#nowMs);
    this.#dropConnection(reason);
    if (this.#closing !== null) {
      this.#end('closed', 'CLOSED', null);
      return;
    }
    if (this.#state === 'connected' || this.#state === 'connected-read-only') {
      this.#setState('disconnected', reason);
    }
    const pauseMs = this.#hosts.pauseMs();
    if (pauseMs === 0) {
      this.#attempt();
    } else {
      this.#phase = 'pausing';
      this.#phaseEndsMs = this.#nowMs + pauseMs;
    }
  }

  #dropConnection(reason: string): void {
    this.#isLeaving = false;
    this.outputs.push({ kind: 'disconnect', connection: this.#connection });
    this.#connection++;
    this.#requests.connectionLost(reason);
    this.#authentication.connectionLost();
    this.#watches.connectionLost(this.#lastZxid);
  }

  #expired(reason: string): void {
    if (this.#config.onExpired === 'close' || this.#closing !== null) {
      this.#end('expired', 'SESSION_EXPIRED', reason);
      return;
    }
    this.#dropConnection('the session has expired');
    this.#requests.failAll('SESSION_EXPIRED');
    this.#setState('expired', reason);
    this.#sessionId = 0n;
    this.#isResumable = false;
    this.#setState('connecting', null);
    this.#attempt();
  }

  #end(state: SessionState, code: TreekeeperErrorCode, reason: string | null): void {
    if (this.#phase !== 'idle' && this.#phase !== 'pausing') {
      this.outputs.push({ kind: 'disconnect', connection: this.#connection });
    }
    this.#phase = 'ended';
    this.#phaseEndsMs = NEVER;
    this.#closeEndsMs = NEVER;
    this.#ended = { code, message: reason ?? undefined };
    this.#setState(state, reason);
    this.#requests.failAll(code, reason ?? undefined);
    this.#authentication.failAll(code);
    this.#watches.end();
  }
}
