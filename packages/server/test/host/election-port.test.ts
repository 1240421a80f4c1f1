/** The sentences of quorum-protocol.md §2.1 to §2.5, over real sockets. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, frameHex, freePorts, initHex, membersOf, RawPeer, RawPort, TestPeers } from './peers-support.ts';

afterEach(closeAll);

const bytes = (text: string): Uint8Array => Buffer.from(text);
const electionPort = (members: Awaited<ReturnType<typeof membersOf>>, id: number) => members[id - 1].election[0].port;

describe('between servers', () => {
  test('notifications arrive, whoever begins', async () => {
    const members = await membersOf(3);
    const [one, two, three] = await Promise.all([1, 2, 3].map((id) => TestPeers.open(id, members)));
    one.peers.notify(2, bytes('a'));
    await two.hears('1: a');
    two.peers.notify(1, bytes('b'));
    await one.hears('2: b');
    three.peers.notify(1, bytes('c'));
    await one.hears('3: c');
    one.peers.notify(3, bytes('d'));
    await three.hears('1: d');
  });

  test('all at once, both ways: each arrives', async () => {
    const members = await membersOf(5);
    const all = await Promise.all(members.map(({ serverId }) => TestPeers.open(serverId, members)));
    for (const [i, { peers }] of all.entries()) {
      for (const { serverId } of members) {
        peers.notify(serverId, bytes(`from ${i + 1}`));
      }
    }
    for (const [i, test] of all.entries()) {
      for (const other of [1, 2, 3, 4, 5].filter((id) => id !== i + 1)) {
        await test.hears(`${other}: from ${other}`);
      }
      expect(test.warnings).toEqual([]);
    }
  });

  test('dialAll connects with every member', async () => {
    const members = await membersOf(3);
    const ports = await Promise.all([1, 3].map((id) => RawPort.open(electionPort(members, id))));
    const two = await TestPeers.open(2, members);
    two.peers.dialAll();
    for (const port of ports) {
      const peer = await port.accept();
      expect(await peer.read(20 + 15)).toBe(initHex(2, `127.0.0.1:${electionPort(members, 2)}`));
    }
  });
});

describe('§2.1 the larger id keeps the connection that it has dialled', () => {
  test('I dial a smaller one: kept', async () => {
    const members = await membersOf(2);
    const port = await RawPort.open(electionPort(members, 1));
    const two = await TestPeers.open(2, members);
    two.peers.notify(1, bytes('hello'));
    const peer = await port.accept();
    await peer.read(35);
    expect(await peer.read(9)).toBe(frameHex('hello'));
    peer.send(frameHex('hi'));
    await two.hears('1: hi');
  });

  test('I dial a larger one: INIT and the end, and the notification waits for its call', async () => {
    const members = await membersOf(2);
    const port = await RawPort.open(electionPort(members, 2));
    const one = await TestPeers.open(1, members);
    one.peers.notify(2, bytes('hello'));
    const peer = await port.accept();
    expect(await peer.readAll()).toBe(initHex(1, `127.0.0.1:${electionPort(members, 1)}`));
    const back = await RawPeer.dial(electionPort(members, 1));
    back.send(initHex(2, 'x:1'));
    expect(await back.read(9)).toBe(frameHex('hello'));
  });

  test('a smaller one dials: closed, and called back where it says it is', async () => {
    const [elsewhere] = await freePorts(1);
    const members = await membersOf(2);
    const port = await RawPort.open(elsewhere);
    const two = await TestPeers.open(2, members);
    const peer = await RawPeer.dial(electionPort(members, 2));
    peer.send(initHex(1, `127.0.0.1:${elsewhere}`));
    expect(await peer.readAll()).toBe('');
    expect(await (await port.accept()).read(35)).toBe(initHex(2, `127.0.0.1:${electionPort(members, 2)}`));
    expect(two.warnings).toEqual([]);
  });

  test.each(['0.0.0.0:1', '[::]:1', 'nonsense', 'no-such-host.invalid:3888'])(
    'a smaller one that says it is at %s is called back where the configuration says',
    async (said) => {
      const members = await membersOf(2);
      const port = await RawPort.open(electionPort(members, 1));
      await TestPeers.open(2, members);
      (await RawPeer.dial(electionPort(members, 2))).send(initHex(1, said));
      expect(await (await port.accept()).read(16)).toBe(initHex(2, '').slice(0, 32));
    },
  );

  test('a smaller one dials again: the connection that was there is torn down', async () => {
    const members = await membersOf(2);
    const port = await RawPort.open(electionPort(members, 1));
    const two = await TestPeers.open(2, members);
    two.peers.notify(1, bytes('a'));
    const first = await port.accept();
    await first.read(35);
    (await RawPeer.dial(electionPort(members, 2))).send(initHex(1, 'x'));
    await first.closed();
    await (await port.accept()).read(35);
  });

  test('a larger one dials: kept, and an older connection of it is replaced', async () => {
    const members = await membersOf(3);
    const two = await TestPeers.open(2, members);
    const first = (await RawPeer.dial(electionPort(members, 2))).send(initHex(3, 'x:1') + frameHex('a'));
    await two.hears('3: a');
    const second = (await RawPeer.dial(electionPort(members, 2))).send(initHex(3, 'x:1') + frameHex('b'));
    await two.hears('3: b');
    await first.closed();
    two.peers.notify(3, bytes('c'));
    expect(await second.read(5)).toBe(frameHex('c'));
  });

  test('the own id: closed with a warning', async () => {
    const members = await membersOf(2);
    const two = await TestPeers.open(2, members);
    await (await RawPeer.dial(electionPort(members, 2))).send(initHex(2, 'x:1')).closed();
    expect(two.warnings).toEqual([expect.stringContaining('same myid')]);
  });

  test('a stranger is taken like a member', async () => {
    const [elsewhere] = await freePorts(1);
    const members = await membersOf(2);
    const two = await TestPeers.open(2, members);
    const large = (await RawPeer.dial(electionPort(members, 2))).send(initHex(77, 'x:1') + frameHex('a'));
    await two.hears('77: a');
    two.peers.notify(77, bytes('b'));
    expect(await large.read(5)).toBe(frameHex('b'));
    const port = await RawPort.open(elsewhere);
    (await RawPeer.dial(electionPort(members, 2))).send(initHex(0, `127.0.0.1:${elsewhere}`));
    await port.accept();
  });
});

test('of a stranger that has not said where it is nothing is kept', async () => {
  const members = await membersOf(1);
  const one = await TestPeers.open(1, members);
  one.peers.notify(77, bytes('early'));
  const large = (await RawPeer.dial(electionPort(members, 1))).send(initHex(77, 'x:1') + frameHex('a'));
  await one.hears('77: a');
  one.peers.notify(77, bytes('b'));
  expect(await large.read(5)).toBe(frameHex('b'));
});

describe('§2.2 INIT', () => {
  test('of a server with several addresses', async () => {
    const members = await membersOf(2);
    const [other] = await freePorts(1);
    const port = await RawPort.open(electionPort(members, 1));
    const own = { ...members[1], election: [...members[1].election, { host: '127.0.0.1', port: other }] };
    const two = await TestPeers.open(2, [members[0], own], { isMultiAddress: true });
    two.peers.notify(1, bytes('a'));
    const said = `127.0.0.1:${electionPort(members, 2)}|127.0.0.1:${other}`;
    expect(await (await port.accept()).read(20 + said.length)).toBe(initHex(2, said, -65535n));
    (await RawPeer.dial(other)).send(initHex(3, 'x:1', -65535n) + frameHex('b'));
    await two.hears('3: b');
  });

  test('of 3.4: the id alone', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    (await RawPeer.dial(electionPort(members, 1))).send(`0000000000000003${frameHex('a')}`);
    await one.hears('3: a');
  });

  test('byte by byte is fine', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    const peer = await RawPeer.dial(electionPort(members, 1));
    peer.socket.setNoDelay(true);
    for (const byte of Buffer.from(initHex(3, 'x:1') + frameHex('abc'), 'hex')) {
      peer.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await one.hears('3: abc');
  });

  test.each([
    ['another negative number', 'fffffffffffffff0', 'begins with -16'],
    ['no addresses', 'ffffffffffff00000000000000000003' + '00000000', '0 bytes'],
    ['a negative length', 'ffffffffffff00000000000000000003' + 'ffffffff', '-1 bytes'],
    ['too long addresses', 'ffffffffffff00000000000000000003' + '00000801', '2049 bytes'],
    ['an anonymous observer', initHex(0x7fffffffffffffffn, 'x:1'), 'give it a myid'],
    ['a made-up id', initHex(-2, 'x:1'), '-2 is not the id of a server'],
  ])('%s: closed with one line', async (_name, hex, reason) => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    await (await RawPeer.dial(electionPort(members, 1))).send(hex).closed();
    expect(one.warnings).toEqual([expect.stringContaining(reason)]);
    expect(one.inputs).toEqual([]);
  });

  test('cut off in the middle: one line', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    const peer = (await RawPeer.dial(electionPort(members, 1))).send(initHex(3, 'abcdef').slice(0, 50));
    peer.socket.end();
    await one.until(() => one.warnings.length > 0);
    expect(one.warnings).toEqual([expect.stringContaining('before the handshake was done')]);
  });

  test('that does not come: closed after a while', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members, { handshakeTimeoutMs: 50 });
    await (await RawPeer.dial(electionPort(members, 1))).closed();
    expect(one.warnings).toEqual([expect.stringContaining('within 50 ms')]);
  });
});

describe('§2.4 frames and queues', () => {
  test.each([
    ['00000000', '0 bytes'],
    ['ffffffff', '-1 bytes'],
    ['00080001', '524289 bytes'],
  ])('a length of %s: closed, what came before counts', async (length, reason) => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    const peer = await RawPeer.dial(electionPort(members, 1));
    await peer.send(initHex(3, 'x:1') + frameHex('a') + length).closed();
    expect(one.heard).toEqual(['3: a']);
    expect(one.infos).toEqual([expect.stringContaining(reason)]);
  });

  test('the largest frame gets through', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    const text = 'x'.repeat(524288);
    (await RawPeer.dial(electionPort(members, 1))).send(initHex(3, 'x:1') + frameHex(text));
    await one.hears(`3: ${text}`);
  });

  test('a notification that has not left yet is replaced', async () => {
    const members = await membersOf(2);
    const port = await RawPort.open(electionPort(members, 1));
    const two = await TestPeers.open(2, members);
    for (let i = 0; i < 10; i++) {
      two.peers.notify(1, bytes(`early ${i}`));
    }
    const peer = await port.accept();
    await peer.read(35);
    expect(await peer.read(11)).toBe(frameHex('early 9'));
    peer.socket.pause();
    const large = 'y'.repeat(500_000);
    for (let i = 0; i < 100; i++) {
      two.peers.notify(1, bytes(`${large}${i % 10}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    two.peers.notify(1, bytes('last'));
    peer.socket.resume();
    let count = 0;
    for (let length = 0; length !== 4; count++) {
      length = Number.parseInt(await peer.read(4), 16);
      await peer.read(length);
    }
    expect(count).toBeLessThan(100);
  });

  test('what was lost with a connection is said again on the next', async () => {
    const members = await membersOf(3);
    const two = await TestPeers.open(2, members);
    const first = (await RawPeer.dial(electionPort(members, 2))).send(initHex(3, 'x:1') + frameHex('a'));
    await two.hears('3: a');
    two.peers.notify(3, bytes('b'));
    await first.read(5);
    const second = (await RawPeer.dial(electionPort(members, 2))).send(initHex(3, 'x:1'));
    expect(await second.read(5)).toBe(frameHex('b'));
  });

  test('a flood is cut to its last hundred', async () => {
    const members = await membersOf(1);
    const one = await TestPeers.open(1, members);
    const flood = Array.from({ length: 1000 }, (_, i) => frameHex(`${i}`)).join('');
    (await RawPeer.dial(electionPort(members, 1))).send(initHex(3, 'x:1') + flood);
    await one.hears('3: 999');
    expect(one.heard.length).toBeLessThan(1000);
  });
});

describe('§2.5 the service restarts', () => {
  test('all connections are closed and the port is where the members say it is', async () => {
    const members = await membersOf(2);
    const moved = await membersOf(2);
    const one = await TestPeers.open(1, members);
    const peer = (await RawPeer.dial(electionPort(members, 1))).send(initHex(2, 'x:1') + frameHex('a'));
    await one.hears('2: a');
    one.peers.setMembers(moved, true);
    await peer.closed();
    await one.peers.opened();
    (await RawPeer.dial(electionPort(moved, 1))).send(initHex(2, 'x:1') + frameHex('b'));
    await one.hears('2: b');
    await expect(RawPeer.dial(electionPort(members, 1))).rejects.toThrow('ECONNREFUSED');
    expect(one.warnings).toEqual([]);
  });

  test('a server that has been removed stays where it was', async () => {
    const members = await membersOf(2);
    const port = await RawPort.open(electionPort(members, 1));
    const two = await TestPeers.open(2, members);
    two.peers.setMembers(members.slice(0, 1), true);
    await two.peers.opened();
    (await RawPeer.dial(electionPort(members, 2))).send(initHex(3, 'x:1') + frameHex('a'));
    await two.hears('3: a');
    two.peers.notify(1, bytes('b'));
    expect(await (await port.accept()).read(35)).toBe(initHex(2, `127.0.0.1:${electionPort(members, 2)}`));
  });

  test('a change of members without a restart leaves connections alone', async () => {
    const members = await membersOf(2);
    const one = await TestPeers.open(1, members);
    const peer = (await RawPeer.dial(electionPort(members, 1))).send(initHex(2, 'x:1') + frameHex('a'));
    await one.hears('2: a');
    one.peers.setMembers(members.slice(0, 1), false);
    one.peers.notify(2, bytes('b'));
    expect(await peer.read(5)).toBe(frameHex('b'));
  });

  test('a port that is taken: tried again, then given up', async () => {
    const members = await membersOf(1);
    await RawPort.open(electionPort(members, 1));
    const one = await TestPeers.open(1, members, { bindAttemptsMax: 1 });
    expect(one.bindFailures).toEqual([expect.stringContaining(`election port 127.0.0.1:${electionPort(members, 1)}`)]);
  });

  test('a server that cannot be reached is mentioned once', async () => {
    const members = await membersOf(2);
    const two = await TestPeers.open(2, members);
    two.peers.notify(1, bytes('a'));
    await two.until(() => two.infos.length > 0);
    two.peers.notify(1, bytes('b'));
    const port = await RawPort.open(electionPort(members, 1));
    two.peers.notify(1, bytes('c'));
    const peer = await Promise.race([port.accept(), retry(two)]);
    await (peer as RawPeer).read(35);
    expect(two.infos).toEqual([expect.stringContaining('server 1 is not to be reached')]);
  });

  /** The dial before may still be failing. */
  async function retry(two: TestPeers): Promise<never> {
    for (;;) {
      two.peers.notify(1, bytes('c'));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
});

test('whatever bytes come, that connection alone suffers', async () => {
  const members = await membersOf(2);
  const one = await TestPeers.open(1, members);
  const good = (await RawPeer.dial(electionPort(members, 1))).send(initHex(2, 'x:1'));
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('', initHex(3, 'x:1'), initHex(3, 'x:1').slice(0, 40), '0000000000000003'),
      fc.uint8Array({ maxLength: 300 }),
      async (start, garbage) => {
        const bad = (await RawPeer.dial(electionPort(members, 1))).send(start).send(garbage);
        bad.socket.end();
        await bad.closed();
        count += 1;
        good.send(frameHex(`still here ${count}`));
        await one.hears(`2: still here ${count}`);
        one.inputs.length = 0;
      },
    ),
    { numRuns: 60 },
  );
});
