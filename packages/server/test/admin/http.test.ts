import { readFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect, Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type AdminDependencies,
  type AdminOptions,
  type HttpListener,
  startAdminHttp,
  startMetricsHttp,
} from '../../src/admin/http.ts';
import { FakeControl, fakeView } from './fake-view.ts';

const key = readFileSync(new URL('./golden/key.pem', import.meta.url));
const cert = readFileSync(new URL('./golden/cert.pem', import.meta.url));

const plainOptions: AdminOptions = {
  host: '127.0.0.1',
  port: 0,
  tls: null,
  portUnification: false,
  forceHttps: false,
  needClientAuth: false,
  idleTimeoutMs: 30000,
  commandUrl: '/commands',
  rateLimiterIntervalMs: 300000,
  snapshotEnabled: true,
  restoreEnabled: true,
  serializeLastProcessedZxidEnabled: true,
  exportRuntimeMetrics: false,
};

const listeners: HttpListener[] = [];

afterEach(async () => {
  for (const listener of listeners.splice(0)) {
    await listener.close();
  }
});

class Fixture {
  readonly control = new FakeControl();
  readonly errors: string[] = [];
  readonly authorizations: [scheme: string, data: string, address: string, subject: string | undefined][] = [];
  nowMs = 0;
  port = 0;

  async start(options: Partial<AdminOptions> = {}, view = fakeView()): Promise<this> {
    const dependencies: AdminDependencies = {
      view,
      control: this.control,
      authorize: (scheme, data, { remoteAddress, certificate }) => {
        this.authorizations.push([scheme, new TextDecoder().decode(data), remoteAddress, certificate?.subject]);
        return scheme !== 'digest' ? 'notAuthenticated' : data.length === 0 ? 'notAuthorized' : 'permitted';
      },
      log: { info: () => {}, warn: () => {}, error: (message) => this.errors.push(message) },
      nowMs: () => this.nowMs,
    };
    const listener = await startAdminHttp({ ...plainOptions, ...options }, dependencies);
    listeners.push(listener);
    this.port = listener.port;
    return this;
  }

  ask(path: string, method = 'GET', headers: Record<string, string> = {}, body = ''): Promise<Reply> {
    return ask(this.port, path, { method, headers, body });
  }
}

interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Question {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  secure?: object;
}

function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body = '', secure }: Question = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false, ...secure };
    const request = secure === undefined ? plainRequest(options) : secureRequest({ ca: cert, ...options });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    request.end(body);
  });
}

const RUOK = '{\n  "command" : "ruok",\n  "error" : null\n}';
const PERMITTED = { authorization: 'digest bob:secret' };

describe('commands over HTTP', () => {
  test('a command, its alias, a query', async () => {
    const admin = await new Fixture().start();
    const { status, headers, body } = await admin.ask('/commands/ruok');
    expect([status, headers['content-type'], headers['content-length'], body]).toEqual([
      200,
      'application/json',
      '42',
      RUOK,
    ]);
    expect((await admin.ask('/commands/stmk?traceMask=-5&x')).body).toContain('"tracemask" : -5');
    expect((await admin.ask('/commands/cons')).body).toContain('"session_id" : 72057718738255965,');
  });

  test('the index, with and without slash', async () => {
    const admin = await new Fixture().start();
    const { headers, body } = await admin.ask('/commands');
    expect(headers['content-type']).toBe('text/html;charset=utf-8');
    expect(body.startsWith('<a href="/commands/close_session">close_session</a>\n<br/>\n')).toBe(true);
    expect(body.endsWith('<a href="/commands/zabstate">zabstate</a>\n<br/>\n')).toBe(true);
    expect((await admin.ask('/commands/')).body).toBe(body);
  });

  test('admin.commandURL', async () => {
    const admin = await new Fixture().start({ commandUrl: '/zk/admin' });
    expect((await admin.ask('/zk/admin/ruok')).body).toBe(RUOK);
    expect((await admin.ask('/zk/admin')).body).toContain('<a href="/zk/admin/ruok">');
    expect((await admin.ask('/commands/ruok')).status).toBe(404);
  });

  test('HEAD is GET without body, OPTIONS tells the methods', async () => {
    const admin = await new Fixture().start();
    const head = await admin.ask('/commands/ruok', 'HEAD');
    expect([head.status, head.headers['content-length'], head.body]).toEqual([200, '42', '']);
    const options = await admin.ask('/commands/ruok', 'OPTIONS');
    expect([options.status, options.headers.allow]).toEqual([200, 'GET, HEAD, POST, TRACE, OPTIONS']);
  });

  test.each([
    ['TRACE', '/commands/ruok', 403],
    ['PUT', '/commands/ruok', 405],
    ['DELETE', '/commands/ruok', 405],
    ['POST', '/commands/ruok', 500],
    ['GET', '/', 404],
    ['GET', '/commandsx', 404],
    ['GET', '/commands/%3Cscript%3E', 200],
    ['GET', '/commands/%', 200],
    ['GET', '/commands/a/b', 200],
    ['POST', '/metrics', 405],
  ])('%s %s is %d', async (method, path, status) => {
    const admin = await new Fixture().start();
    expect((await admin.ask(path, method)).status).toBe(status);
  });

  test('an unknown command', async () => {
    const admin = await new Fixture().start();
    expect((await admin.ask('/commands/nosuch')).body).toBe(
      '{\n  "command" : "nosuch",\n  "error" : "Unknown command: nosuch"\n}',
    );
  });

  test('a failure is a 500 in JSON and a line in the log', async () => {
    const admin = await new Fixture().start(
      {},
      fakeView({
        watchSummary: () => {
          throw new Error('boom');
        },
      }),
    );
    const { status, body } = await admin.ask('/commands/wchs');
    expect([status, body]).toEqual([500, '{\n  "command" : "watch_summary",\n  "error" : "boom"\n}']);
    expect(admin.errors).toEqual(['admin command "wchs" failed: boom']);
  });
});

describe('Authorization', () => {
  test.each([
    [undefined, 401],
    ['', 401],
    ['basic x', 401],
    ['digest a b', 401],
    ['digest', 403],
    ['  digest   bob:secret ', 200],
  ])('%j', async (authorization, status) => {
    const admin = await new Fixture().start();
    const headers = authorization === undefined ? {} : { authorization };
    expect((await admin.ask('/commands/snapshot?streaming=false', 'GET', headers)).status).toBe(status);
    if (status === 200) {
      expect(admin.authorizations).toEqual([['digest', 'bob:secret', '127.0.0.1', undefined]]);
    }
  });
});

describe('snapshot and restore', () => {
  test('the file itself, with the headers', async () => {
    const admin = await new Fixture().start();
    const { status, headers, body } = await admin.ask('/commands/snapshot', 'GET', PERMITTED);
    expect([status, headers.last_zxid, headers.snapshot_size, headers['content-length']]).toEqual([
      200,
      '0x4ec',
      '7',
      '7',
    ]);
    expect(headers['content-type']).toBe('application/octet-stream');
    expect(body).toBe('ZKSN\x01\x02\x03');
  });

  test('one snapshot per 300 ms, for its interval counts as microseconds; one restore per 5 min', async () => {
    const admin = await new Fixture().start();
    const snapshot = async () => (await admin.ask('/commands/snap', 'GET', PERMITTED)).status;
    const restore = async () => (await admin.ask('/commands/rest', 'POST', PERMITTED, 'ZKSN')).status;
    expect([await snapshot(), await restore()]).toEqual([200, 200]);
    admin.nowMs = 299;
    expect([await snapshot(), await restore()]).toEqual([429, 429]);
    admin.nowMs = 300;
    expect([await snapshot(), await restore()]).toEqual([200, 429]);
    admin.nowMs = 300000;
    expect(await restore()).toBe(200);
  });

  test('restore takes the body as it is', async () => {
    const admin = await new Fixture().start();
    const body = 'ZKSN'.repeat(100_000);
    const reply = await admin.ask('/commands/restore', 'POST', PERMITTED, body);
    expect(reply.body).toBe('{\n  "last_zxid" : 1260,\n  "command" : "restore",\n  "error" : null\n}');
    expect(new TextDecoder().decode(admin.control.restored)).toBe(body);
  });

  test('a refused restore does not take the body in, and a failed one says 500', async () => {
    const admin = await new Fixture().start();
    expect((await admin.ask('/commands/restore', 'POST', {}, 'ZKSN'.repeat(1000))).status).toBe(401);
    expect(admin.control.restored.length).toBe(0);
    expect((await admin.ask('/commands/restore', 'POST', PERMITTED)).status).toBe(500);
    expect(admin.errors).toEqual(['admin command "restore" failed: not a snapshot']);
  });

  test('a snapshot whose file fails half way cuts the connection', async () => {
    const admin = await new Fixture().start();
    admin.control.takeSnapshot = async () => ({
      lastZxid: 1,
      sizeBytes: 10,
      read: async function* () {
        yield new Uint8Array(5);
        throw new Error('disk gone');
      },
    });
    await expect(admin.ask('/commands/snapshot', 'GET', PERMITTED)).rejects.toThrow();
    expect(admin.errors).toEqual(['admin command "snapshot" failed: disk gone']);
  });

  test('a client that hangs up in the middle of a snapshot is no error', async () => {
    const admin = await new Fixture().start();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    admin.control.takeSnapshot = async () => ({
      lastZxid: 1,
      sizeBytes: 1 << 30,
      read: async function* () {
        try {
          for (;;) {
            yield new Uint8Array(1 << 16);
          }
        } finally {
          end();
        }
      },
    });
    const request = plainRequest({ port: admin.port, path: '/commands/snapshot', headers: PERMITTED });
    request.on('response', () => request.destroy()).on('error', () => {});
    request.end();
    await ended;
    await new Promise((resolve) => setImmediate(resolve));
    expect(admin.errors).toEqual([]);
  });

  test('a client that goes away in the middle of a restore', async () => {
    const admin = await new Fixture().start();
    const socket = connect(admin.port, '127.0.0.1', () =>
      socket.write(
        'POST /commands/restore HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nAuthorization: digest a:b\r\n\r\nZKSN',
        () => socket.destroy(),
      ),
    );
    await vi.waitFor(() => expect(admin.errors.length).toBe(1));
    expect(admin.control.restored.length).toBe(0);
    expect((await admin.ask('/commands/ruok')).body).toBe(RUOK);
  });

  test('shed_connections', async () => {
    const admin = await new Fixture().start();
    const reply = await admin.ask('/commands/shed', 'POST', PERMITTED, '{"percentage": 25}');
    expect(JSON.parse(reply.body)).toEqual({
      percentage_requested: 25,
      connections_shed: 3,
      command: 'shed_connections',
      error: null,
    });
    expect((await admin.ask('/commands/shed', 'POST', PERMITTED, 'x'.repeat(100_000))).status).toBe(400);
  });
});

describe('health and metrics', () => {
  test('alive is not ready', async () => {
    const view = fakeView();
    const admin = await new Fixture().start({}, view);
    const statuses = async () => [
      (await admin.ask('/healthz')).status,
      (await admin.ask('/livez')).status,
      (await admin.ask('/readyz')).status,
    ];
    expect(await statuses()).toEqual([200, 200, 200]);
    view.serving = false;
    expect(await statuses()).toEqual([200, 200, 503]);
  });

  test('a full disk leaves the server ready, for reads go on; the body tells', async () => {
    const view = fakeView();
    const admin = await new Fixture().start({}, view);
    const ready = async () => {
      const { status, body } = await admin.ask('/readyz');
      return [status, body.toString()];
    };
    expect(await ready()).toEqual([200, 'ok\n']);
    view.writesRefused = true;
    expect(await ready()).toEqual([200, 'ok, but writes are refused: the disk of the log is full\n']);
  });

  test('/metrics on the admin port and on its own', async () => {
    const view = fakeView();
    const admin = await new Fixture().start({}, view);
    const options = { ...plainOptions, exportRuntimeMetrics: true };
    const own = await startMetricsHttp(options, view);
    listeners.push(own);
    const [here, there] = [await admin.ask('/metrics'), await ask(own.port, '/metrics')];
    expect(here.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(there.headers['content-type']).toBe(here.headers['content-type']);
    expect(there.body.startsWith(here.body)).toBe(true);
    expect(there.body).toContain('process_resident_memory_bytes ');
    expect((await ask(own.port, '/commands/ruok')).status).toBe(404);
    expect((await ask(own.port, '/metrics', { method: 'POST' })).status).toBe(405);
  });
});

describe('TLS', () => {
  const tls = { key, cert, ca: cert };
  const client = { key, cert };

  test('on its own', async () => {
    const admin = await new Fixture().start({ tls });
    expect((await ask(admin.port, '/commands/ruok', { secure: {} })).body).toBe(RUOK);
    await expect(ask(admin.port, '/commands/ruok')).rejects.toThrow();
  });

  test('admin.portUnification: both on one port, the plain ones counted', async () => {
    const view = fakeView();
    const admin = await new Fixture().start({ tls, portUnification: true }, view);
    expect((await ask(admin.port, '/commands/ruok', { secure: {} })).body).toBe(RUOK);
    expect(view.metrics.insecure_admin_count.value).toBe(0);
    expect((await ask(admin.port, '/commands/ruok')).body).toBe(RUOK);
    const body = 'ZKSN'.repeat(100_000);
    expect((await ask(admin.port, '/commands/rest', { method: 'POST', headers: PERMITTED, body })).status).toBe(200);
    expect(admin.control.restored.length).toBe(400_000);
    expect(view.metrics.insecure_admin_count.value).toBe(2);
  });

  test.each([true, false])('on a unified port an answer may take its time: secure %s', async (isSecure) => {
    const sockets = vi.spyOn(Socket.prototype, 'setTimeout');
    const admin = await new Fixture().start({ tls, portUnification: true });
    const timeouts: (number | undefined)[] = [];
    const { takeSnapshot } = admin.control;
    admin.control.takeSnapshot = () => {
      const met = new Set(sockets.mock.contexts as Socket[]);
      timeouts.push(...[...met].filter((socket) => socket.localPort === admin.port).map(({ timeout }) => timeout));
      return takeSnapshot.call(admin.control);
    };
    const question = { headers: PERMITTED, ...(isSecure ? { secure: {} } : {}) };
    expect((await ask(admin.port, '/commands/snapshot', question)).status).toBe(200);
    sockets.mockRestore();
    expect(timeouts.length).toBeGreaterThan(0);
    expect(new Set(timeouts)).toEqual(new Set([0]));
  });

  test('a unified port goes by the first byte alone', async () => {
    const admin = await new Fixture().start({ tls, portUnification: true });
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(admin.port, '127.0.0.1', () => {
        socket.write('G');
        socket.setNoDelay(true);
        setImmediate(() => socket.write('ET /commands/ruok HTTP/1.0\r\n\r\n'));
      });
      let text = '';
      socket.on('data', (bytes: Buffer) => {
        text += bytes;
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*"ruok"/);
  });

  test('admin.forceHttps closes a unified port to plain HTTP', async () => {
    const admin = await new Fixture().start({ tls, portUnification: true, forceHttps: true });
    expect((await ask(admin.port, '/commands/ruok', { secure: {} })).body).toBe(RUOK);
    await expect(ask(admin.port, '/commands/ruok')).rejects.toThrow();
  });

  test('admin.needClientAuth, and the certificate reaches the authorisation', async () => {
    const admin = await new Fixture().start({ tls, needClientAuth: true });
    await expect(ask(admin.port, '/commands/ruok', { secure: {} })).rejects.toThrow();
    const question = { headers: PERMITTED, secure: client };
    expect((await ask(admin.port, '/commands/snapshot', question)).status).toBe(200);
    expect(admin.authorizations.map(([, , , subject]) => subject)).toEqual(['CN=admin\nO=Treekeeper test']);
  });

  test('demanded without a key store', async () => {
    await expect(new Fixture().start({ forceHttps: true })).rejects.toThrow('ssl.quorum.keyStore');
  });
});

test('a port in use is an error; close cuts the connections that are open', async () => {
  const admin = await new Fixture().start();
  await expect(new Fixture().start({ port: admin.port })).rejects.toThrow('EADDRINUSE');
  const closed = new Promise((resolve) => {
    const socket = connect(admin.port, '127.0.0.1', () => socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.once('data', () => listeners.splice(0).map((listener) => listener.close()));
    socket.on('close', resolve);
    socket.on('error', resolve);
  });
  await closed;
});
