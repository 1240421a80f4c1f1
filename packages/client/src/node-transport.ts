/** The seam to the network as Node.js has it: TCP, TLS, and the system's resolver. */
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { TreekeeperError } from './errors.ts';
import type { TlsSettings } from './tls.ts';
import type { Resolver, Transport, TransportConnection, TransportEvents, TransportTarget } from './transport.ts';

type TlsSource = boolean | TlsSettings | (() => TlsSettings | Promise<TlsSettings>);

/**
 * TCP, or TLS if settings are given. What `connect` uses unless it is given another transport.
 *
 * @example
 * ```ts
 * await using other = await connect(connectString, { transport: nodeTransport() });
 * console.assert(other.state === 'connected');
 * ```
 */
export function nodeTransport(tls: TlsSource = false): Transport {
  return {
    connect: (target, events) =>
      tls === false
        ? new NodeConnection(events, connectTcp({ host: target.address, port: target.port }), 'connect')
        : new TlsConnection(events, target, tls),
  };
}

/**
 * All addresses of a name, IPv4 and IPv6; an address is its own.
 *
 * @example
 * ```ts
 * console.assert((await nodeResolver('127.0.0.1'))[0] === '127.0.0.1');
 * ```
 */
export const nodeResolver: Resolver = async (host) => {
  if (isIP(host) !== 0) {
    return [host];
  }
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
};

class NodeConnection implements TransportConnection {
  readonly #socket: Socket;
  readonly #events: TransportEvents;
  #error: Error | null = null;
  #isOver = false;

  constructor(events: TransportEvents, socket: Socket, openEvent: 'connect' | 'secureConnect') {
    this.#events = events;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.once(openEvent, () => this.#tell(() => events.opened()));
    socket.on('data', (bytes) => this.#tell(() => events.received(bytes)));
    socket.on('error', (error) => {
      this.#error = error;
    });
    // The server has said its last word, and so have we.
    socket.once('end', () => socket.destroy());
    socket.once('close', () => this.#closed());
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) {
      this.#socket.write(bytes);
    }
  }

  close(): void {
    this.#isOver = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  #tell(event: () => void): void {
    if (!this.#isOver) {
      event();
    }
  }

  #closed(): void {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#events.closed(this.#error);
    }
  }
}

/** Its settings take a moment: files are read, and a program may be asked. */
class TlsConnection implements TransportConnection {
  #inner: NodeConnection | null = null;
  #isOver = false;

  constructor(events: TransportEvents, target: TransportTarget, source: Exclude<TlsSource, false>) {
    tlsOptions(source, target)
      .then((options) => {
        if (!this.#isOver) {
          this.#inner = new NodeConnection(events, startTls(options), 'secureConnect');
        }
      })
      .catch((error: unknown) => {
        if (!this.#isOver) {
          this.#isOver = true;
          events.closed(error instanceof Error ? error : new Error(String(error)));
        }
      });
  }

  write(bytes: Uint8Array): void {
    this.#inner?.write(bytes);
  }

  close(): void {
    this.#isOver = true;
    this.#inner?.close();
  }

  destroy(): void {
    this.#isOver = true;
    this.#inner?.destroy();
  }
}

/** Throws at once for what OpenSSL does not take: a file half written, a key that is not the certificate's. */
function startTls(options: ConnectionOptions): Socket {
  try {
    return connectTls(options);
  } catch (cause) {
    throw refused('tls', cause, 'OpenSSL does not take the certificate or the key: ');
  }
}

async function tlsOptions(source: Exclude<TlsSource, false>, target: TransportTarget): Promise<ConnectionOptions> {
  const settings: TlsSettings = typeof source === 'function' ? await source() : source === true ? {} : source;
  const { ca, crl, cert, key, pfx, passphrase, checkHostname = true, minVersion = 'TLSv1.2' } = settings;
  const name = settings.servername ?? target.host;
  return defined({
    host: target.address,
    port: target.port,
    // An address is checked against the certificate's addresses, but cannot be sent as a server name.
    ...(isIP(name) === 0 ? { servername: name } : { host: target.address, servername: '' }),
    minVersion,
    passphrase,
    ca: asBuffers(ca) ?? (await read('caFile', settings.caFile)),
    crl: asBuffers(crl) ?? (await read('crlFile', settings.crlFile)),
    cert: asBuffer(cert) ?? (await read('certFile', settings.certFile)),
    key: asBuffer(key) ?? (await read('keyFile', settings.keyFile)),
    pfx: asBuffer(pfx) ?? (await read('pfxFile', settings.pfxFile)),
    checkServerIdentity: checkHostname ? undefined : () => undefined,
  });
}

async function read(option: string, file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) {
    return undefined;
  }
  try {
    return await readFile(file);
  } catch (cause) {
    throw refused(`tls.${option}`, cause);
  }
}

function refused(option: string, cause: unknown, what = ''): TreekeeperError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TreekeeperError('INVALID_OPTION', { message: `${option}: ${what}${reason}`, cause });
}

function asBuffer(data: string | Uint8Array | undefined): Buffer | undefined {
  return data === undefined ? undefined : Buffer.from(data);
}

function asBuffers(data: TlsSettings['ca']): Buffer[] | undefined {
  return data === undefined ? undefined : asList(data).map((part) => Buffer.from(part));
}

function asList(data: NonNullable<TlsSettings['ca']>): readonly (string | Uint8Array)[] {
  return Array.isArray(data) ? data : [data as string | Uint8Array];
}

/** Node takes a property that is there for one that was set. */
function defined(options: Record<string, unknown>): ConnectionOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
