/** Sessions that go where their servers are: lists that change, the ensemble's configuration, SRV records. */
import { startEnsemble, startServer, type TestEnsemble, type TestServer } from '@treekeeper/testing';
import { describe, expect, test } from 'vitest';
import { until } from '../../../interop/src/client/session-cases.ts';
import { type Client, connect, type SrvRecord } from '../../src/index.ts';

const addressesOf = (members: readonly TestServer[]): string =>
  members.map(({ connectString }) => connectString).join(',');

/** The member to which a client has come, once it is not `left` any more. */
async function hasMoved(ensemble: TestEnsemble, client: Client, left: TestServer): Promise<TestServer> {
  while (left.serves(client) || client.state !== 'connected') {
    await until(client, 'disconnected');
    await until(client, 'connected');
  }
  return await ensemble.memberOf(client);
}

describe('updateServers', () => {
  test('the session moves to the servers that there are now; no call fails', async () => {
    await using ensemble = await startEnsemble();
    const client = await ensemble.client();
    await client.create('/mine', null, { mode: 'ephemeral' });
    await client.create('/n');
    const { sessionId } = client;
    const first = await ensemble.memberOf(client);
    const writes = Array.from({ length: 50 }, () => client.set('/n', 'x', { retry: false }));
    client.updateServers(addressesOf(ensemble.members.filter((member) => member !== first)));
    writes.push(...Array.from({ length: 50 }, () => client.set('/n', 'y', { retry: false })));
    const versions = (await Promise.all(writes)).map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(await hasMoved(ensemble, client, first)).not.toBe(first);
    expect(client.sessionId).toBe(sessionId);
    expect((await client.exists('/mine'))?.ephemeralOwner).toBe(sessionId);
  });

  test('what is no list of servers is refused', async () => {
    await using server = await startServer();
    const client = await server.client();
    for (const text of ['', 'h:1/root', 'dns-srv://h', 'h:99999']) {
      expect(() => client.updateServers(text)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    }
    expect(client.state).toBe('connected');
  });
});

describe('followConfig', () => {
  test('who leaves the ensemble is left by its clients', async () => {
    await using ensemble = await startEnsemble(3, { settings: { skipACL: 'yes' } });
    const [one] = ensemble.members as [TestServer];
    await using client = await connect(one.connectString, { followConfig: true });
    await using admin = await ensemble.client();
    await admin.reconfig({ leaving: [1] });
    const now = await hasMoved(ensemble, client, one);
    expect(now).not.toBe(one);
    await one.kill();
    await client.create('/goes-on', null, { idempotent: true });
  });
});

describe('dns-srv://', () => {
  test('servers are those of the records, when the connection is lost those of now', async () => {
    await using first = await startServer();
    await using second = await startServer();
    const recordOf = ({ port }: TestServer): SrvRecord => ({ name: '127.0.0.1', port });
    let records = [recordOf(first)];
    const asked: string[] = [];
    const srvResolver = async (name: string): Promise<SrvRecord[]> => {
      asked.push(name);
      return records;
    };
    const name = '_zookeeper._tcp.example.com';
    const options = { srvResolver, onExpired: 'new-session' } as const;
    await using client = await connect(`dns-srv://${name}/app`, options);
    expect(client.root).toBe('/app');
    expect(first.serves(client)).toBe(true);
    records = [recordOf(second)];
    await first.kill();
    await until(client, 'disconnected');
    await until(client, 'connected');
    expect(second.serves(client)).toBe(true);
    expect(new Set(asked)).toEqual(new Set([name]));
  });

  test.each([
    ['no records', async () => [], /SRV records of zk\.example\.com: there are none/],
    ['no answer', async () => Promise.reject(new Error('ENOTFOUND')), /zk\.example\.com: ENOTFOUND/],
    ['never', () => new Promise<SrvRecord[]>(() => undefined), /zk\.example\.com: .*timeout/],
  ])('%s: CONNECT_FAILED', async (_, srvResolver, message) => {
    const connecting = connect('dns-srv://zk.example.com', { srvResolver, connectTimeoutMs: 100 });
    await expect(connecting).rejects.toMatchObject({ code: 'CONNECT_FAILED', message: expect.stringMatching(message) });
  });
});
