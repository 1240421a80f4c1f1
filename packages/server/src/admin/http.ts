/**
 * The admin port and the metrics port: HTTP around the commands (client-protocol.md §13), health and metrics. To be
 * imported when one of them is enabled and the client port is open already: loading HTTP costs a tenth of the start-up
 * (docs/decisions/0011-admin-http.md).
 */
import type { X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket, type TlsOptions } from 'node:tls';
import type { Log } from '../io/log.ts';
import type { CommandSettings } from './commands/command.ts';
import {
  type Authorization,
  type CommandResult,
  commandNames,
  failure,
  runCommand,
  WrongMethodError,
} from './commands/index.ts';
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from './metrics/prometheus.ts';
import { runtimeMetrics } from './metrics/runtime.ts';
import { RateLimiter } from './rate-limiter.ts';
import type { ServerControl, ServerView } from './view.ts';

/** Who asks, as far as the connection tells. */
export interface AdminPeer {
  readonly remoteAddress: string;
  /** The client's certificate if TLS verified one. */
  readonly certificate: X509Certificate | null;
  /** The first address of the header X-Forwarded-For, which anybody can send; null without one. */
  readonly forwardedFor: string | null;
}

/**
 * Decides on `Authorization: SCHEME [DATA]`: which ids the scheme gives this caller ('notAuthenticated': none, or no
 * such scheme), and whether they hold all five permissions on the root or are super ('notAuthorized': no).
 */
export type Authorize = (scheme: string, data: Uint8Array, peer: AdminPeer) => Exclude<Authorization, 'missing'>;

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Null: plain HTTP. */
  readonly tls: TlsOptions | null;
  /** Speak TLS and plain HTTP on the one port. */
  readonly portUnification: boolean;
  /** Connections on which nothing moves for so long are closed. */
  readonly idleTimeoutMs: number;
}

export interface AdminOptions extends ListenOptions, CommandSettings {
  /** TLS only, even where portUnification would allow both. */
  readonly forceHttps: boolean;
  /** With TLS, refuse clients without a certificate that the trust store vouches for. */
  readonly needClientAuth: boolean;
  /** admin.commandURL */
  readonly commandUrl: string;
  /** admin.rateLimiterIntervalInMS */
  readonly rateLimiterIntervalMs: number;
  readonly exportRuntimeMetrics: boolean;
}

export interface HttpListener {
  readonly port: number;
  /** Stops listening and cuts the connections. */
  close(): Promise<void>;
}

export interface AdminDependencies {
  readonly view: ServerView;
  readonly control: ServerControl;
  readonly authorize: Authorize;
  readonly log: Log;
  /** Monotonic milliseconds, for the rate limits. */
  readonly nowMs: () => number;
}

/** Opens the admin port. Rejects as listening does (EADDRINUSE, ...), and when TLS is demanded and not configured. */
export function startAdminHttp(options: AdminOptions, dependencies: AdminDependencies): Promise<HttpListener> {
  if (options.tls === null && (options.forceHttps || options.portUnification)) {
    return Promise.reject(
      new Error('admin.forceHttps and admin.portUnification need a key store (ssl.quorum.keyStore.*)'),
    );
  }
  const { metrics } = dependencies.view;
  const tls =
    options.tls !== null && options.needClientAuth
      ? { ...options.tls, requestCert: true, rejectUnauthorized: true }
      : options.tls;
  const admin = new AdminRequests(options, dependencies);
  return listen(
    { ...options, tls, portUnification: options.portUnification && !options.forceHttps },
    (request, response) => admin.handle(request, response),
    () => metrics.insecure_admin_count.add(1),
  );
}

/** Opens the port of the Prometheus provider, which has `/metrics` and nothing else. */
export function startMetricsHttp(
  options: ListenOptions & { readonly exportRuntimeMetrics: boolean },
  view: ServerView,
): Promise<HttpListener> {
  return listen(
    options,
    (request, response) => {
      if (pathOf(request) !== '/metrics') {
        sendPage(response, 404, 'Not Found');
      } else if (request.method !== 'GET' && request.method !== 'HEAD') {
        sendPage(response, 405, 'Method Not Allowed');
      } else {
        sendMetrics(response, view, options.exportRuntimeMetrics);
      }
    },
    () => {},
  );
}

class AdminRequests {
  readonly #options: AdminOptions;
  readonly #dependencies: AdminDependencies;
  readonly #commandUrl: string;
  readonly #indexPage: string;
  readonly #snapshotLimiter: RateLimiter;
  readonly #restoreLimiter: RateLimiter;

  constructor(options: AdminOptions, dependencies: AdminDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#commandUrl = options.commandUrl.replace(/\/+$/, '');
    this.#indexPage = commandNames.map((name) => `<a href="${this.#commandUrl}/${name}">${name}</a>\n<br/>\n`).join('');
    // ZooKeeper takes the interval of snapshots for microseconds; operators rely on taking several in five minutes.
    this.#snapshotLimiter = new RateLimiter(options.rateLimiterIntervalMs / 1000);
    this.#restoreLimiter = new RateLimiter(options.rateLimiterIntervalMs);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request);
    const name = this.#commandName(path);
    if (request.method === 'TRACE') {
      sendEmpty(response, 403);
    } else if (name === null) {
      this.#page(path, request, response);
    } else if (request.method === 'OPTIONS') {
      response.setHeader('Allow', 'GET, HEAD, POST, TRACE, OPTIONS');
      sendEmpty(response, 200);
    } else if (request.method !== 'GET' && request.method !== 'HEAD' && request.method !== 'POST') {
      sendEmpty(response, 405);
    } else if (name === '' && request.method !== 'POST') {
      send(response, 200, 'text/html;charset=utf-8', this.#indexPage);
    } else {
      void this.#command(name, request.method === 'POST' ? 'POST' : 'GET', request, response);
    }
  }

  /** The command a path names, '' for the index, null for paths outside. */
  #commandName(path: string): string | null {
    if (path === this.#commandUrl) {
      return '';
    }
    const prefix = `${this.#commandUrl}/`;
    return path.startsWith(prefix) ? path.slice(prefix.length) : null;
  }

  #page(path: string, request: IncomingMessage, response: ServerResponse): void {
    const { view } = this.#dependencies;
    const known = path === '/healthz' || path === '/livez' || path === '/readyz' || path === '/metrics';
    if (!known) {
      sendPage(response, 404, 'Not Found');
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendPage(response, 405, 'Method Not Allowed');
    } else if (path === '/metrics') {
      sendMetrics(response, view, this.#options.exportRuntimeMetrics);
    } else if (path === '/readyz' && !view.serving) {
      send(response, 503, 'text/plain;charset=utf-8', 'not serving\n');
    } else if (path === '/readyz' && view.writesRefused) {
      send(response, 200, 'text/plain;charset=utf-8', 'ok, but writes are refused: the disk of the log is full\n');
    } else {
      send(response, 200, 'text/plain;charset=utf-8', 'ok\n');
    }
  }

  async #command(
    name: string,
    method: 'GET' | 'POST',
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { log } = this.#dependencies;
    const { idleTimeoutMs } = this.#options;
    try {
      const result = await this.#run(name, method, request);
      await sendResult(request, response, result, idleTimeoutMs);
    } catch (error) {
      if (error instanceof WrongMethodError) {
        sendPage(response, 500, error.message);
        return;
      }
      if (hasHungUp(error)) {
        return;
      }
      log.error(`admin command ${JSON.stringify(name)} failed: ${error instanceof Error ? error.message : error}`);
      if (response.headersSent) {
        response.destroy();
      } else {
        const { status, json } = failure(name, error);
        send(response, status, 'application/json', json);
      }
    } finally {
      // A body that nobody wanted would hold the connection's next request back.
      request.resume();
    }
  }

  #run(name: string, method: 'GET' | 'POST', request: IncomingMessage): Promise<CommandResult> {
    const { view, control, nowMs, authorize } = this.#dependencies;
    const context = {
      view,
      control,
      settings: this.#options,
      snapshotLimiter: this.#snapshotLimiter,
      restoreLimiter: this.#restoreLimiter,
      nowMs,
      query: queryOf(request),
      // Reading only a part of the body must not destroy the connection, which the answer still needs.
      body: { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) },
    };
    return runCommand(name, method, context, () => {
      const outcome = authorization(request, authorize);
      if (outcome === 'permitted') {
        suspendIdleTimeout(request);
      }
      return outcome;
    });
  }
}

function authorization(request: IncomingMessage, authorize: Authorize): Authorization {
  const header = request.headers.authorization;
  if (header === undefined) {
    return 'missing';
  }
  const [scheme, data, ...more] = header.trim().split(/\s+/);
  if (scheme === '' || more.length > 0) {
    return 'notAuthenticated';
  }
  const { socket } = request;
  const certificate =
    socket instanceof TLSSocket && socket.authorized ? (socket.getPeerX509Certificate() ?? null) : null;
  const forwarded = request.headers['x-forwarded-for'];
  const forwardedFor = forwarded === undefined ? null : String(forwarded).split(',', 1)[0].trim();
  const peer = { remoteAddress: socket.remoteAddress ?? '', certificate, forwardedFor };
  return authorize(scheme, new TextEncoder().encode(data ?? ''), peer);
}

/** Snapshots and restores may work for long without a byte on the connection, once what they need has come in. */
function suspendIdleTimeout(request: IncomingMessage): void {
  const { socket } = request;
  if (request.method === 'POST') {
    request.once('end', () => socket.setTimeout(0));
  } else {
    socket.setTimeout(0);
  }
}

async function sendResult(
  request: IncomingMessage,
  response: ServerResponse,
  result: CommandResult,
  idleTimeoutMs: number,
): Promise<void> {
  response.socket?.setTimeout(idleTimeoutMs);
  for (const [name, value] of Object.entries(result.headers ?? {})) {
    response.setHeader(name, value);
  }
  const { file } = result;
  if (file === undefined) {
    send(response, result.status, 'application/json', result.json);
    return;
  }
  response.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': file.sizeBytes,
    Connection: 'close',
  });
  if (request.method === 'HEAD') {
    response.end();
  } else {
    await pipeline(Readable.from(file.read()), response);
  }
}

/** The client closed the connection: it had everything, or wanted no more. Neither is our failure. */
function hasHungUp(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function sendMetrics(response: ServerResponse, view: ServerView, withRuntime: boolean): void {
  const text = prometheusText(view, withRuntime ? runtimeMetrics(view.host) : []);
  send(response, 200, PROMETHEUS_CONTENT_TYPE, text);
}

function sendPage(response: ServerResponse, status: number, message: string): void {
  const title = `Error ${status} ${message}`;
  const page = `<html>\n<head>\n<title>${title}</title>\n</head>\n<body><h2>${title}</h2>\n</body>\n</html>\n`;
  send(response, status, 'text/html;charset=utf-8', page);
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.length });
  response.end(body);
}

function sendEmpty(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'Content-Length': 0 });
  response.end();
}

/** The path with its escapes undone; as it came where they are broken. */
function pathOf(request: IncomingMessage): string {
  const raw = (request.url ?? '/').split('?', 1)[0];
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

function queryOf(request: IncomingMessage): URLSearchParams {
  const url = request.url ?? '';
  const start = url.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : url.slice(start + 1));
}

/** The first byte of a TLS connection: a handshake record. No HTTP method starts with it. */
const TLS_HANDSHAKE = 22;

function listen(options: ListenOptions, handler: RequestListener, onInsecure: () => void): Promise<HttpListener> {
  if (options.tls === null) {
    return open(limited(createServer(handler), options), options);
  }
  const secure = limited(createSecureServer(options.tls, handler), options);
  if (!options.portUnification) {
    return open(secure, options);
  }
  const plain = limited(createServer(handler), options);
  return open(unified(plain, secure, options.idleTimeoutMs, onInsecure), options);
}

async function open(server: TcpServer, { host, port }: ListenOptions): Promise<HttpListener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) {
          socket.destroy();
        }
      }),
  };
}

function limited<S extends Server>(server: S, { idleTimeoutMs }: ListenOptions): S {
  server.timeout = idleTimeoutMs;
  // A snapshot may take its time to come in; the idle timeout guards against those that stop.
  server.requestTimeout = 0;
  return server;
}

/** A port that hands each connection to the plain or to the secure server by its first byte. */
function unified(plain: Server, secure: Server, idleTimeoutMs: number, onInsecure: () => void): TcpServer {
  return createTcpServer((socket) => {
    const onIdle = (): void => void socket.destroy();
    socket.setTimeout(idleTimeoutMs, onIdle);
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes: Buffer) => {
      // From here on the server that gets it looks after that, and knows when an answer may take its time.
      socket.setTimeout(0, onIdle);
      socket.pause();
      socket.unshift(bytes);
      const isSecure = bytes[0] === TLS_HANDSHAKE;
      if (!isSecure) {
        onInsecure();
      }
      (isSecure ? secure : plain).emit('connection', socket);
      // Only a server that reads through the stream needs this; TLS has taken the bytes over by then.
      process.nextTick(() => socket.resume());
    });
  });
}
