/** Links between learners and their leader, over real sockets. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, freePorts, membersOf, RawPeer, RawPort, TestPeers } from './peers-support.ts';

afterEach(closeAll);

const HOST = '127.0.0.1';
const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

async function pair(): Promise<{ leader: TestPeers; learner: TestPeers; port: number }> {
  const members = await membersOf(2);
  const [leader, learner] = await Promise.all([1, 2].map((id) => TestPeers.open(id, members)));
  leader.peers.listen('quorum');
  await leader.peers.opened();
  return { leader, learner, port: members[0].quorum[0].port };
}

describe('a link', () => {
  test('carries bytes both ways, in order', async () => {
    const { leader, learner } = await pair();
    const up = learner.peers.connect(1, 30_000, 'quorum');
    up.write(bytes('too early'));
    expect(await learner.opens(true)).toBe(up);
    const down = await leader.opens(false);
    expect([up.remoteAddress, down.remoteAddress]).toEqual([HOST, HOST]);
    for (let i = 0; i < 100; i++) {
      up.write(bytes(`${i},`));
      down.write(bytes(`${-i},`));
    }
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    await leader.receives(down, numbers.map((i) => `${i},`).join(''));
    await learner.receives(up, numbers.map((i) => `${-i},`).join(''));
    expect(up.unsentBytes).toBe(0);
  });

  test('carries megabytes, and tells what has not been sent', async () => {
    const { leader, learner } = await pair();
    const up = learner.peers.connect(1, 30_000, 'quorum');
    await learner.opens(true);
    const down = await leader.opens(false);
    const slice = 'z'.repeat(1 << 20);
    for (let i = 0; i < 16; i++) {
      down.write(bytes(slice));
    }
    expect(down.unsentBytes).toBeGreaterThan(1 << 20);
    let got = 0;
    await learner.until(() => {
      for (const input of learner.inputs.splice(0)) {
        got += input.kind === 'link-data' ? input.bytes.length : 0;
      }
      return got === 16 << 20;
    });
    expect(up.unsentBytes).toBe(0);
    expect(down.unsentBytes).toBe(0);
  });

  test('is gone at both ends when one closes it, once', async () => {
    const { leader, learner } = await pair();
    const up = learner.peers.connect(1, 30_000, 'quorum');
    await learner.opens(true);
    const down = await leader.opens(false);
    down.close();
    down.close();
    down.write(bytes('late'));
    expect(leader.inputs.some(({ kind }) => kind === 'link-gone')).toBe(false); // not from inside of close()
    await leader.loses(down);
    await learner.loses(up);
    up.close();
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(leader.inputs.filter(({ kind }) => kind === 'link-gone')).toHaveLength(1);
    expect(learner.inputs.filter(({ kind }) => kind === 'link-gone')).toHaveLength(1);
    expect(learner.textOf(up)).toBe('');
  });

  test('brings what was sent before the end', async () => {
    const { leader, port } = await pair();
    const raw = (await RawPeer.dial(port)).send(bytes('last words'));
    raw.socket.end();
    const down = await leader.opens(false);
    await leader.loses(down);
    expect(leader.textOf(down)).toBe('last words');
  });
});

describe('dialling', () => {
  test('nobody there: gone, and said why', async () => {
    const members = await membersOf(2);
    const learner = await TestPeers.open(2, members);
    await learner.loses(learner.peers.connect(1, 30_000, 'quorum'));
    expect(learner.infos).toEqual([expect.stringContaining('server 1 is not to be reached: 127.0.0.1:')]);
  });

  test('someone who is no member: gone', async () => {
    const learner = await TestPeers.open(2, await membersOf(2));
    await learner.loses(learner.peers.connect(9, 30_000, 'quorum'));
    expect(learner.infos[0]).toContain('its address is not known');
  });

  test('closed while dialling: gone', async () => {
    const { learner } = await pair();
    const link = learner.peers.connect(1, 30_000, 'quorum');
    link.close();
    await learner.loses(link);
    expect(learner.inputs).toHaveLength(1);
  });

  test('several addresses: whichever answers', async () => {
    const [dead, alive] = await freePorts(2);
    const [one, two] = await membersOf(2);
    const quorum = [dead, alive].map((port) => ({ host: HOST, port }));
    const port = await RawPort.open(alive);
    const learner = await TestPeers.open(2, [{ ...one, quorum }, two]);
    const link = learner.peers.connect(1, 30_000, 'quorum');
    await learner.opens(true);
    link.write(bytes('hi'));
    expect(await (await port.accept()).read(2)).toBe(Buffer.from('hi').toString('hex'));
  });

  test('several addresses that all answer: one link, the others are dropped', async () => {
    const ports = await freePorts(2);
    const [one, two] = await membersOf(2);
    const listening = await Promise.all(ports.map((port) => RawPort.open(port)));
    const learner = await TestPeers.open(2, [{ ...one, quorum: ports.map((port) => ({ host: HOST, port })) }, two]);
    const link = learner.peers.connect(1, 30_000, 'quorum');
    await learner.opens(true);
    link.close();
    for (const port of listening) {
      await (await port.accept()).closed();
    }
    expect(learner.inputs.filter(({ kind }) => kind === 'link-open')).toHaveLength(1);
  });
});

describe('listening', () => {
  test('the port is closed until asked for, and closed again; links stay', async () => {
    const members = await membersOf(2);
    const leader = await TestPeers.open(1, members);
    const { port } = members[0].quorum[0];
    await expect(RawPeer.dial(port)).rejects.toThrow('ECONNREFUSED');
    leader.peers.listen('quorum');
    await leader.peers.opened();
    const raw = await RawPeer.dial(port);
    const link = await leader.opens(false);
    leader.peers.stopListening('quorum');
    await expect(RawPeer.dial(port)).rejects.toThrow('ECONNREFUSED');
    link.write(bytes('ok'));
    expect(await raw.read(2)).toBe('6f6b');
    leader.peers.listen('quorum');
    await leader.peers.opened();
    await RawPeer.dial(port);
  });

  test('on all addresses when told so', async () => {
    const members = await membersOf(1);
    const elsewhere = { ...members[0], quorum: [{ host: 'no-such-host.invalid', port: members[0].quorum[0].port }] };
    const leader = await TestPeers.open(1, [elsewhere], { listensOnAllAddresses: true });
    leader.peers.listen('quorum');
    await leader.peers.opened();
    await RawPeer.dial(members[0].quorum[0].port);
    await leader.opens(false);
  });
});

test('whatever bytes come, they are that link’s alone', async () => {
  const { leader, port } = await pair();
  const good = await RawPeer.dial(port);
  const link = await leader.opens(false);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (garbage) => {
      leader.inputs.length = 0;
      const bad = (await RawPeer.dial(port)).send(garbage);
      bad.socket.end();
      const other = await leader.opens(false);
      await leader.loses(other);
      expect(leader.textOf(other)).toBe(Buffer.from(garbage).toString('latin1'));
      good.send(bytes('x'));
      await leader.receives(link, 'x');
    }),
    { numRuns: 40 },
  );
  expect(leader.warnings).toEqual([]);
});
