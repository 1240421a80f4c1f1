/** TLS and SASL between servers (quorum-protocol.md §2.6, §2.7). */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { DigestMd5Server } from '../../src/auth/sasl-digest-md5.ts';
import { DigestMd5Client, QUORUM_REALM, QUORUM_SERVICE } from '../../src/auth/sasl-digest-md5-client.ts';
import type { PeerSasl } from '../../src/host/peer-handshake.ts';
import { NO_SECURITY, type PeerSecurity } from '../../src/host/peer-sockets.ts';
import type { TlsOptions } from '../../src/host/tls.ts';
import type { PeerAddresses } from '../../src/io/peers.ts';
import { closeAll, frameHex, freePorts, initHex, membersOf, RawPeer, TestPeers } from './peers-support.ts';
import { storePath, tlsOptions } from './tls-fixtures.ts';

afterEach(closeAll);

const bytes = (text: string): Uint8Array => Buffer.from(text);

function tlsSecurity(changes: Partial<TlsOptions & PeerSecurity> = {}): PeerSecurity {
  const tls = { ...tlsOptions({ verifyClientHostname: true, ...changes }), reloadOnChange: false };
  return {
    ...NO_SECURITY,
    tls,
    sslQuorum: changes.sslQuorum ?? true,
    portUnification: changes.portUnification ?? false,
  };
}

async function pair(one: PeerSecurity, two: PeerSecurity): Promise<[TestPeers, TestPeers, PeerAddresses[]]> {
  const members = await membersOf(2);
  return [
    await TestPeers.open(1, members, { security: one }),
    await TestPeers.open(2, members, { security: two }),
    members,
  ];
}

/** Bytes that are put back without end keep everything else from its turn, the test's own timeout too: cut off then. */
function cutOffWhoPutsBackForEver(): void {
  const { unshift } = Readable.prototype;
  let count = 0;
  Readable.prototype.unshift = function (this: Readable, ...args: Parameters<typeof unshift>) {
    count += 1;
    return count > 1000 ? this.destroy() : unshift.apply(this, args);
  };
  onTestFinished(() => {
    Readable.prototype.unshift = unshift;
  });
}

/** Passes everything on; of each dialler the first bytes come by themselves. Gives its port. */
async function cutter(firstBytes: number, toPort: number): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer({ noDelay: true }, (from) => {
    const to = connect({ port: toPort, host: '127.0.0.1', noDelay: true });
    sockets.push(from, to);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
    to.pipe(from);
    from.once('data', async (chunk: Buffer) => {
      from.pause();
      to.write(chunk.subarray(0, firstBytes));
      for (let turn = 0; turn < 10; turn++) {
        await nextTurn(); // the reader is in this process, and reads between two turns
      }
      to.write(chunk.subarray(firstBytes));
      from.pipe(to);
    });
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  const [port] = await freePorts(1);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}

/** Notifications and a link, both ways. */
async function expectToTalk(one: TestPeers, two: TestPeers): Promise<void> {
  one.peers.notify(2, bytes('a'));
  await two.hears('1: a');
  two.peers.notify(1, bytes('b'));
  await one.hears('2: b');
  one.peers.listen('quorum');
  await one.peers.opened();
  const up = two.peers.connect(1, 30_000, 'quorum');
  await two.opens(true);
  up.write(bytes('up'));
  const down = await one.opens(false);
  await one.receives(down, 'up');
  down.write(bytes('down'));
  await two.receives(up, 'down');
}

describe('TLS', () => {
  test('on both sides', async () => {
    const [one, two] = await pair(tlsSecurity(), tlsSecurity());
    await expectToTalk(one, two);
    expect([...one.warnings, ...two.warnings]).toEqual([]);
  });

  test('bytes in the clear are refused', async () => {
    const [one, , members] = await pair(tlsSecurity(), tlsSecurity());
    const raw = await RawPeer.dial(members[0].election[0].port);
    await raw.send(initHex(2, 'x:1') + frameHex('a')).closed();
    await one.until(() => one.warnings.length > 0);
    expect(one.warnings).toEqual([
      expect.stringMatching(/a server at 127\.0\.0\.1 is refused: the TLS handshake failed/),
    ]);
    expect(one.heard).toEqual([]);
  });

  test.each([
    ['of an authority that is not trusted', 'stranger.pem'],
    ['that is for another host', 'faraway.pem'],
  ])('a certificate %s: neither side talks to it', async (_name, keyStore) => {
    const [one, two] = await pair(tlsSecurity(), tlsSecurity({ keyStoreFile: storePath(keyStore) }));
    two.peers.notify(1, bytes('a'));
    await one.until(() => one.warnings.some((warning) => warning.includes('is refused')));
    one.peers.notify(2, bytes('b'));
    await one.until(() => one.infos.some((info) => info.includes('server 2 is not to be reached')));
    expect([...one.heard, ...two.heard]).toEqual([]);
  });

  test('a certificate for another host is good without hostname verification', async () => {
    const security = tlsSecurity({ keyStoreFile: storePath('faraway.pem'), verifyHostname: false });
    const [one, two] = await pair(security, security);
    await expectToTalk(one, two);
  });

  test.each([
    ['first step: both take both, and speak plainly', false, true, false, true],
    ['second step: one speaks TLS', true, true, false, true],
    ['second step, the other way round', false, true, true, true],
    ['last step: one takes TLS only', true, true, true, false],
  ])('a rolling upgrade, %s', async (_name, sslOne, unifiedOne, sslTwo, unifiedTwo) => {
    const [one, two] = await pair(
      tlsSecurity({ sslQuorum: sslOne, portUnification: unifiedOne }),
      tlsSecurity({ sslQuorum: sslTwo, portUnification: unifiedTwo }),
    );
    await expectToTalk(one, two);
  });

  test('on a unified port who says nothing is taken to speak plainly', async () => {
    const security = tlsSecurity({ portUnification: true, handshakeDetectionTimeoutMs: 20 });
    const [one, , members] = await pair(security, security);
    one.peers.listen('quorum');
    await one.peers.opened();
    const raw = await RawPeer.dial(members[0].quorum[0].port);
    const link = await one.opens(false);
    raw.send(bytes('plain'));
    await one.receives(link, 'plain');
  });

  test.each([1, 2, 3, 4])('on a unified port who says %d bytes of TLS and no more is taken so too', async (count) => {
    cutOffWhoPutsBackForEver();
    const security = tlsSecurity({ portUnification: true, handshakeDetectionTimeoutMs: 20 });
    const [one, , members] = await pair(security, security);
    one.peers.listen('quorum');
    await one.peers.opened();
    const raw = await RawPeer.dial(members[0].quorum[0].port);
    const head = '\x16\x03\x01\x02'.slice(0, count);
    raw.send(bytes(head));
    const link = await one.opens(false);
    raw.send(bytes('plain'));
    await one.receives(link, `${head}plain`);
  });

  test.each([1, 2, 3, 4, 5, 6])('on a unified port a TLS handshake is cut after %d bytes', async (count) => {
    cutOffWhoPutsBackForEver();
    const [one, two, members] = await pair(tlsSecurity({ portUnification: true }), tlsSecurity());
    const port = await cutter(count, members[0].election[0].port);
    two.peers.setMembers([{ ...members[0], election: [{ host: '127.0.0.1', port }] }, members[1]], false);
    two.peers.notify(1, bytes('a'));
    await one.hears('2: a');
    one.peers.notify(2, bytes('b'));
    await two.hears('1: b');
    expect([...one.warnings, ...two.warnings]).toEqual([]);
  });

  test('new certificates are taken up for both directions', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'treekeeper-peers-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const keyStoreFile = join(folder, 'key.pem');
    copyFileSync(storePath('stranger.pem'), keyStoreFile);
    const changed = tlsSecurity({ keyStoreFile });
    const security = { ...changed, tls: changed.tls && { ...changed.tls, reloadOnChange: true } };
    const [one, two] = await pair(tlsSecurity(), security);
    two.peers.notify(1, bytes('x'));
    await one.until(() => one.warnings.length > 0);
    copyFileSync(storePath('server.pem'), keyStoreFile);
    await two.until(() => two.infos.some((info) => info.includes('TLS files have changed')));
    await expectToTalk(one, two);
  });

  test('stores that cannot be used are told before anything is opened', async () => {
    const security = tlsSecurity({ keyStoreFile: storePath('none.pem') });
    await expect(TestPeers.open(1, await membersOf(1), { security })).rejects.toThrow('ssl.quorum.keyStore.location');
  });
});

interface SaslChanges {
  readonly password?: string;
  readonly isRequired?: boolean;
  readonly isClient?: boolean;
}

function saslSecurity({ password = 'secret', isRequired = true, isClient = true }: SaslChanges = {}): PeerSecurity {
  let count = 0;
  const randomBytes = (sizeBytes: number) => new Uint8Array(sizeBytes).fill(++count);
  const common = { service: QUORUM_SERVICE, randomBytes };
  const sasl: PeerSasl = {
    startClient: isClient
      ? () => new DigestMd5Client({ ...common, user: 'zkq', password, serverName: QUORUM_REALM })
      : null,
    startServer: () => {
      const passwordOf = (user: string) => (user === 'zkq' ? 'secret' : undefined);
      return new DigestMd5Server({ ...common, realm: QUORUM_REALM, passwordOf });
    },
    isRequired,
  };
  return { ...NO_SECURITY, sasl };
}

describe('SASL', () => {
  test('on both sides', async () => {
    const [one, two] = await pair(saslSecurity(), saslSecurity());
    await expectToTalk(one, two);
    expect([...one.warnings, ...two.warnings]).toEqual([]);
  });

  test('inside of TLS', async () => {
    const security = { ...tlsSecurity(), sasl: saslSecurity().sasl };
    const [one, two] = await pair(security, security);
    await expectToTalk(one, two);
  });

  test('a wrong password where one is required: refused on both ports', async () => {
    const [one, two] = await pair(saslSecurity(), saslSecurity({ password: 'wrong' }));
    two.peers.notify(1, bytes('a'));
    await one.until(() => one.warnings.length > 0);
    expect(one.warnings[0]).toContain(
      'the password of user "zkq" is wrong, which quorum.auth.serverRequireSasl demands',
    );
    await two.until(() => two.warnings.length > 0);
    expect(two.warnings[0]).toContain('it does not accept our credentials');
    one.peers.listen('quorum');
    await one.peers.opened();
    await two.loses(two.peers.connect(1, 30_000, 'quorum'));
    await one.until(() => one.warnings.length > 1);
    expect(one.warnings[1]).toContain('a learner at 127.0.0.1');
    expect(one.inputs).toEqual([]);
  });

  test('none where it is required: refused', async () => {
    const [one, two] = await pair(saslSecurity(), saslSecurity({ isClient: false }));
    two.peers.notify(1, bytes('longer than eight bytes'));
    await one.until(() => one.warnings.length > 0);
    expect(one.warnings[0]).toContain('it does not authenticate itself, which');
    expect(one.heard).toEqual([]);
  });

  test('none where it is not required: welcome, with a warning', async () => {
    const lax = saslSecurity({ isClient: false, isRequired: false });
    const [one, two] = await pair(lax, lax);
    two.peers.notify(1, bytes('longer than eight bytes'));
    await one.hears('2: longer than eight bytes');
    expect(one.warnings).toEqual([expect.stringContaining('unauthenticated: it does not authenticate itself')]);
  });

  test('garbage in place of a packet: refused', async () => {
    const [one, , members] = await pair(saslSecurity(), saslSecurity());
    for (const [hex, reason] of [
      ['5f2435013501edcc0000000000001001', 'is none'],
      [`5f2435013501edcc00000000000000005f2435013501edcc00000000000000023d3d`, 'not a list'],
    ]) {
      one.warnings.length = 0;
      const raw = await RawPeer.dial(members[0].election[0].port);
      await raw.send(initHex(2, 'x:1') + hex).closed();
      expect(one.warnings).toEqual([expect.stringContaining(reason)]);
    }
  });
});
