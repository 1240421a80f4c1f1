import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { loadTls, type TlsOptions } from '../../src/host/tls.ts';
import { detectTls, type LookUpNames, TlsAcceptor, type TlsHandlers } from '../../src/host/tls-acceptor.ts';
import { PASSWORD, storePath, storeText, tlsOptions } from './tls-fixtures.ts';

interface Port {
  readonly port: number;
  readonly acceptor: TlsAcceptor;
  /** What the handlers were told, in order. */
  readonly told: string[];
  /** Resolves when the handlers have been told this many things. */
  toldSo(count: number): Promise<void>;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) {
    cleanup();
  }
});

/** A port that sends everything back, with the client's subject in front; unified or TLS only. */
async function openPort(changes: Partial<TlsOptions>, unified = false, lookUpNames?: LookUpNames): Promise<Port> {
  const told: string[] = [];
  let wake = () => {};
  const tell = (what: string) => {
    told.push(what);
    wake();
  };
  const handlers: TlsHandlers = {
    onSecure(socket, subject) {
      tell(`secure ${subject}`);
      echo(socket, `${socket.getProtocol()} ${subject} `);
    },
    onRefused: (address, reason) => tell(`refused ${address}: ${reason}`),
  };
  const acceptor = new TlsAcceptor(loadTls(tlsOptions(changes)), handlers, lookUpNames);
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    if (unified) {
      unify(socket, acceptor);
    } else {
      acceptor.accept(socket);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  const toldSo = async (count: number) => {
    while (told.length < count) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { port: (server.address() as AddressInfo).port, acceptor, told, toldSo };
}

function echo(socket: Socket, greeting: string): void {
  socket.on('data', (bytes) => socket.end(greeting + bytes.toString()));
  socket.on('error', () => {});
}

/** As a listener does it: collect bytes until it is clear what they are. */
function unify(socket: Socket, acceptor: TlsAcceptor): void {
  let head = Buffer.alloc(0);
  const collect = (bytes: Buffer) => {
    head = Buffer.concat([head, bytes]);
    const kind = detectTls(head);
    if (kind === 'undecided') {
      return;
    }
    socket.off('data', collect);
    socket.pause();
    if (kind === 'tls') {
      acceptor.accept(socket, head);
    } else {
      socket.unshift(head);
      echo(socket, 'plain ');
      socket.resume();
    }
  };
  socket.on('data', collect);
  socket.on('error', () => {});
}

/** Sends `hello` and gives back all that comes, or how it ended. */
async function talk(port: number, options: ConnectionOptions = {}): Promise<string> {
  return conversation(tlsConnect({ port, host: '127.0.0.1', ca: storeText('ca.pem'), ...options }), 'hello');
}

function conversation(socket: Socket | TLSSocket, words: string | Buffer): Promise<string> {
  cleanups.push(() => socket.destroy());
  return new Promise((resolve) => {
    let heard = '';
    socket.on('error', (error) => resolve(`error ${error.message}`));
    socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')));
    socket.on('close', () => resolve(heard === '' ? 'closed' : heard));
    socket.write(words);
  });
}

function identity(name: string): ConnectionOptions {
  return { key: storeText(`${name}.pem`), cert: storeText(`${name}.pem`) };
}

const CLIENT = 'CN=client one,O=Acme,C=US';

describe('stores of every kind, from handshake to subject', () => {
  test.each<[string, Partial<TlsOptions>]>([
    ['PEM', {}],
    ['PEM, encrypted key', { keyStoreFile: storePath('server-encrypted.pem'), keyStorePassword: PASSWORD }],
    ['PKCS12', { keyStoreFile: storePath('server.p12'), trustStoreFile: storePath('trust-openssl.p12') }],
    ['PKCS12 of keytool', { keyStoreFile: storePath('server-java.p12'), trustStoreFile: storePath('trust-java.p12') }],
    ['old PKCS12', { keyStoreFile: storePath('server-legacy.p12'), trustStoreFile: storePath('trust-java8.p12') }],
    ['JKS', { keyStoreFile: storePath('server.jks'), trustStoreFile: storePath('trust.jks') }],
  ])('%s', async (_, changes) => {
    const { port, told } = await openPort({ keyStorePassword: PASSWORD, trustStorePassword: PASSWORD, ...changes });
    expect(await talk(port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
    expect(told).toEqual([`secure ${CLIENT}`]);
  });

  test('two keys of different kinds: the client chooses', async () => {
    const { port } = await openPort({
      keyStoreFile: storePath('server-two-keys.jks'),
      keyStorePassword: PASSWORD,
      clientAuth: 'none',
      protocol: 'TLSv1.2',
    });
    const peerOf = async (ciphers: string) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ciphers, maxVersion: 'TLSv1.2' });
      cleanups.push(() => socket.destroy());
      await once(socket, 'secureConnect');
      return socket.getPeerCertificate().subject.CN;
    };
    expect(await peerOf('ECDHE-ECDSA-AES128-GCM-SHA256')).toBe('localhost');
    expect(await peerOf('ECDHE-RSA-AES128-GCM-SHA256')).toBe('rsa');
  });
});

function temporary(name: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'treekeeper-acceptor-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

describe('client certificates', () => {
  test('need: without one, and with one of another authority, the door is closed', async () => {
    const { port, told, toldSo, acceptor } = await openPort({});
    expect(await talk(port)).toMatch(/^error .*alert certificate required/);
    await toldSo(1);
    expect(told[0]).toMatch(/^refused .*: the TLS handshake failed: peer did not return a certificate/);
    expect(await talk(port, identity('stranger'))).not.toContain('hello');
    await toldSo(2);
    expect(told[1]).toMatch(/^refused .*: the client certificate does not verify: UNABLE_TO_/);
    expect(acceptor.handshakes).toBe(0);
  });

  test('want: welcome without one, but not with a bad one', async () => {
    const { port, told, toldSo } = await openPort({ clientAuth: 'want' });
    expect(await talk(port)).toBe('TLSv1.3 null hello');
    expect(await talk(port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
    expect(await talk(port, identity('stranger'))).not.toContain('hello');
    await toldSo(3);
    expect(told[2]).toMatch(/^refused 127\.0\.0\.1: the client certificate does not verify: UNABLE_TO_/);
  });

  test('none: not even asked for', async () => {
    const { port } = await openPort({ clientAuth: 'none', trustStoreFile: null });
    expect(await talk(port, identity('stranger'))).toBe('TLSv1.3 null hello');
  });

  test('revoked ones are refused when lists are checked', async () => {
    const trustStoreFile = temporary('trust.pem', storeText('ca.pem') + storeText('crl.pem'));
    const { port, told, toldSo } = await openPort({ trustStoreFile, checkRevocationLists: true });
    expect(await talk(port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
    expect(await talk(port, identity('revoked'))).not.toContain('hello');
    await toldSo(2);
    expect(told[1]).toMatch(/does not verify: CERT_REVOKED/);
    const unchecked = await openPort({});
    expect(await talk(unchecked.port, identity('revoked'))).toBe('TLSv1.3 CN=revoked,O=Acme,C=US hello');
  });

  test('must name the address they come from, if so configured', async () => {
    const { port, told, toldSo } = await openPort({ verifyClientHostname: true });
    expect(await talk(port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
    expect(await talk(port, identity('faraway'))).not.toContain('hello');
    await toldSo(2);
    expect(told[1]).toBe('refused 127.0.0.1: the certificate of CN=far away,O=Acme,C=US does not name its address');
  });

  test('or a name that their address resolves to', async () => {
    const asked: string[] = [];
    const names =
      (found: string[] | null): LookUpNames =>
      (address, callback) => {
        asked.push(address);
        callback(found === null ? new Error('no such name') : null, found ?? []);
      };
    const changes = { verifyClientHostname: true, allowReverseDnsLookup: true };
    const { port } = await openPort(changes, false, names(['other.example', 'client.example']));
    expect(await talk(port, identity('byname'))).toBe('TLSv1.3 CN=by name hello');
    for (const found of [['other.example'], null]) {
      const strict = await openPort(changes, false, names(found));
      expect(await talk(strict.port, identity('byname'))).not.toContain('hello');
      await strict.toldSo(1);
      expect(strict.told).toEqual([
        'refused 127.0.0.1: the certificate of CN=by name names neither its address nor its host',
      ]);
      expect(strict.acceptor.handshakes).toBe(0);
    }
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1']);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a resumed session keeps its subject (%s)', async (maxVersion) => {
    const { port, told, toldSo } = await openPort({});
    const options = { port, host: '127.0.0.1', ca: storeText('ca.pem'), maxVersion, ...identity('client') };
    const first = tlsConnect(options);
    const sessions: Buffer[] = [];
    first.on('session', (session: Buffer) => sessions.push(session));
    await conversation(first, 'hello');
    const second = tlsConnect({ ...options, session: sessions[sessions.length - 1] });
    const reused = once(second, 'secureConnect').then(() => second.isSessionReused());
    expect(await conversation(second, 'hello')).toBe(`${maxVersion} ${CLIENT} hello`);
    expect(await reused).toBe(true);
    await toldSo(2);
    expect(told).toEqual([`secure ${CLIENT}`, `secure ${CLIENT}`]);
  });
});

describe('protocols and suites', () => {
  test('of the configuration only', async () => {
    const { port } = await openPort({
      protocol: 'TLSv1.2',
      cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
      clientAuth: 'none',
    });
    expect(await talk(port)).toBe('TLSv1.2 null hello');
    expect(await talk(port, { minVersion: 'TLSv1.3' })).toMatch(/^error .*alert protocol version/);
    expect(await talk(port, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toMatch(/^error .*alert handshake failure/);
  });
});

describe('what is not TLS', () => {
  test('on a TLS port is closed', async () => {
    const { port, told, toldSo, acceptor } = await openPort({});
    expect(await conversation(connect(port, '127.0.0.1'), 'GET / HTTP/1.1\r\n\r\n')).not.toContain('GET');
    await toldSo(1);
    expect(told[0]).toMatch(/^refused .*: the TLS handshake failed: http request/);
    expect(acceptor.handshakes).toBe(0);
  });

  test('a client that leaves in the middle is counted out', async () => {
    const { port, toldSo, acceptor } = await openPort({});
    const socket = connect(port, '127.0.0.1');
    socket.write(Buffer.from('1603010200', 'hex'), () => socket.resetAndDestroy());
    await toldSo(1);
    expect(acceptor.handshakes).toBe(0);
    const polite = connect(port, '127.0.0.1');
    polite.on('error', () => {});
    polite.end(Buffer.from('1603010200', 'hex'));
    await toldSo(2);
    expect(acceptor.handshakes).toBe(0);
  });
});

describe('a unified port', () => {
  test.each<[string, 'tls' | 'plain' | 'undecided']>([
    ['', 'undecided'],
    ['16', 'undecided'],
    ['16030102', 'undecided'],
    ['1603010200', 'tls'],
    ['160301020001', 'tls'],
    ['1600000000', 'plain'],
    ['72', 'plain'],
    ['72756f6b', 'plain'],
    ['0000002c', 'plain'],
  ])('%s is %s', (hex, kind) => {
    expect(detectTls(Buffer.from(hex, 'hex'))).toBe(kind);
  });

  test('serves both', async () => {
    const { port } = await openPort({}, true);
    expect(await conversation(connect(port, '127.0.0.1'), 'ruok')).toBe('plain ruok');
    expect(await talk(port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
    expect(await conversation(connect(port, '127.0.0.1'), Buffer.from('0000002c', 'hex'))).toBe('plain \0\0\0,');
  });

  test('waits for a whole record header, however it comes', async () => {
    const { port } = await openPort({}, true);
    // A relay that passes the first bytes of the client on one by one.
    const relay = createServer((near) => {
      const far = connect({ port, host: '127.0.0.1', noDelay: true });
      cleanups.push(
        () => near.destroy(),
        () => far.destroy(),
      );
      far.pipe(near);
      near.once('data', async (bytes: Buffer) => {
        near.pause();
        for (let i = 0; i < 6; i++) {
          await new Promise((resolve) => far.write(bytes.subarray(i, i + 1), resolve));
        }
        far.write(bytes.subarray(6));
        near.pipe(far);
      });
    });
    cleanups.push(() => relay.close());
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    expect(await talk((relay.address() as AddressInfo).port, identity('client'))).toBe(`TLSv1.3 ${CLIENT} hello`);
  });
});

describe('new material', () => {
  test('is for new connections; those that are open go on', async () => {
    const { port, acceptor, toldSo } = await openPort({ trustStoreFile: storePath('ca.pem') });
    const open = tlsConnect({ port, host: '127.0.0.1', ca: storeText('ca.pem'), ...identity('client') });
    await Promise.all([once(open, 'secureConnect'), toldSo(1)]);
    acceptor.replace(loadTls(tlsOptions({ trustStoreFile: storePath('other.pem') })));
    expect(await talk(port, identity('client'))).not.toContain('hello');
    expect(await talk(port, identity('stranger'))).toBe('TLSv1.3 CN=stranger hello');
    expect(await conversation(open, 'hello')).toBe(`TLSv1.3 ${CLIENT} hello`);
  });
});
