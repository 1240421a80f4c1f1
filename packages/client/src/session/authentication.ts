/** Credentials of the session: the SASL conversation of a connection, and auth packets, said again on every one. */
import type { TreekeeperErrorCode } from '../errors.ts';
import { Deque } from './deque.ts';
import { authOperation, internalRequest, saslOperation } from './internal-requests.ts';
import type { Requests } from './requests.ts';
import type { HostPort, SessionOutput, SessionRequest } from './types.ts';

/** One identity; `waiting` is who wants to know whether the server takes it. */
interface Entry {
  readonly body: unknown;
  waiting: SessionRequest | null;
}

export class Authentication {
  readonly #requests: Requests;
  readonly #outputs: SessionOutput[];
  readonly #entries: Entry[] = [];
  /** Sent on this connection, answered in this order. */
  readonly #sent = new Deque<Entry>();
  #sasl: SessionRequest | null = null;
  #saslMayEnd = false;

  constructor(requests: Requests, outputs: SessionOutput[]) {
    this.#requests = requests;
    this.#outputs = outputs;
  }

  add(request: SessionRequest, open: boolean): void {
    const entry: Entry = { body: request.body, waiting: request };
    this.#entries.push(entry);
    this.#requests.noteDeadline(request.deadlineMs);
    if (open) {
      this.#send(entry);
    }
  }

  /** On a new connection. */
  replay(): void {
    for (const entry of [...this.#entries]) {
      this.#send(entry);
    }
  }

  /** False: refused. */
  answered(errorNumber: number): boolean {
    const entry = this.#sent.shift();
    const request = entry?.waiting ?? null;
    if (entry !== undefined) {
      entry.waiting = null;
    }
    if (request !== null && request.phase !== 'done') {
      if (errorNumber !== 0) {
        request.failure = { code: 'AUTH_FAILED', retry: undefined, message: undefined, cause: undefined };
      }
      this.#requests.complete(request);
    }
    return errorNumber === 0;
  }

  /** Those that somebody waits for. */
  requests(): SessionRequest[] {
    return this.#entries.flatMap(({ waiting }) => waiting ?? []);
  }

  connectionLost(): void {
    this.#sent.drain();
    this.#sasl = null;
  }

  failAll(code: TreekeeperErrorCode): void {
    for (const request of this.requests()) {
      this.#requests.fail(request, code);
    }
  }

  beginSasl(connection: number, { host }: HostPort): void {
    this.#outputs.push({ kind: 'sasl', connection, host, challenge: null });
  }

  sendToken(token: Uint8Array, mayEnd: boolean): void {
    this.#saslMayEnd = mayEnd;
    this.#sasl = internalRequest(saslOperation, { token });
    this.#requests.sendNow(this.#sasl);
  }

  /**
   * Null: this is no answer of that conversation. A null token says that the server has nothing more to say: after the
   * last token of GSSAPI it is content, before that it has given up, or never began.
   */
  saslAnswered(
    request: SessionRequest,
    connection: number,
    { host }: HostPort,
  ): 'challenged' | 'done' | 'refused' | null {
    if (request !== this.#sasl) {
      return null;
    }
    this.#sasl = null;
    const { token } = (request.value ?? { token: null }) as { token: Uint8Array | null };
    if (token === null) {
      return request.failure === null && this.#saslMayEnd ? 'done' : 'refused';
    }
    this.#outputs.push({ kind: 'sasl', connection, host, challenge: token });
    return 'challenged';
  }

  #send(entry: Entry): void {
    const isAwaited = entry.waiting !== null && entry.waiting.phase !== 'done';
    const request = isAwaited ? (entry.waiting as SessionRequest) : internalRequest(authOperation, entry.body);
    if (this.#requests.sendAuth(request)) {
      this.#sent.push(entry);
    } else {
      this.#entries.splice(this.#entries.indexOf(entry), 1); // no answer will come, and it can never be said
    }
  }
}
