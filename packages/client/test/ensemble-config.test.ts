import { expect, test } from 'vitest';
import { ensembleConfig } from '../src/ensemble-config.ts';
import { connect } from '../src/index.ts';
import type { Stat } from '../src/types.ts';
import { Wire } from './support/wire.ts';

const stat = {} as Stat;

test('where clients find the members', () => {
  const text = [
    'server.1=zk1:2888:3888:participant;0.0.0.0:2181',
    'server.2=zk2:2888:3888:participant;10.0.0.2:2182;10.0.0.2:2282',
    'server.3=[::1]:2888:3888:observer;[::]:2183',
    'server.4=zk4:2888:3888:participant;2184',
    'server.5=zk5:2888:3888:participant',
    'server.6=zk6:2888:3888|zk6b:2888:3888:participant;[fe80::6]:2186;2286',
    'version=10000000a',
  ].join('\n');
  expect(ensembleConfig({ data: Buffer.from(text), stat })).toEqual({
    text,
    version: 0x10000000an,
    clientAddresses: ['zk1:2181', '10.0.0.2:2182', '[::1]:2183', 'zk4:2184', '[fe80::6]:2186'],
    secureClientAddresses: ['10.0.0.2:2282', 'zk6:2286'],
    stat,
  });
});

test('a server by itself has none', () => {
  const nothing = { version: null, clientAddresses: [], secureClientAddresses: [], stat };
  expect(ensembleConfig({ data: null, stat })).toEqual({ text: '', ...nothing });
  expect(ensembleConfig({ data: Buffer.from('x'), stat })).toEqual({ text: 'x', ...nothing });
});

/** A service that knows where its members are, and what was asked for. */
class Service {
  readonly wire = new Wire();
  /** Reads of the configuration. */
  reads = 0;
  readonly #asked: string[] = [];
  #onAsked = (): void => undefined;

  constructor() {
    const data = Buffer.from('server.9=zk9:2888:3888:participant;0.0.0.0:2181\nversion=1');
    this.wire.nodes.set('/zookeeper/config', { data, version: 0, owner: 0n });
  }

  readonly resolver = async (host: string): Promise<readonly string[]> => {
    this.#asked.push(host);
    this.#onAsked();
    return ['10.0.0.1'];
  };

  /** Fulfils when a client looks for this host. */
  asked(host: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onAsked = () => {
        if (this.#asked.includes(host)) {
          resolve();
        }
      };
      this.#onAsked();
    });
  }
}

test('who follows the configuration does so in the next session as well, when one ends while it is read', async () => {
  const service = new Service();
  const { wire, resolver } = service;
  wire.fate = (_, path) => {
    if (path !== '/zookeeper/config' || ++service.reads > 1) {
      return 'answered';
    }
    wire.greeting = (sessionId) => (sessionId === 0n ? 'welcome' : 'gone');
    return 'dropped';
  };
  const options = { transport: wire.transport, resolver, followConfig: true, onExpired: 'new-session' } as const;
  const client = await connect('a:1', options);
  await service.asked('zk9');
  expect(service.reads).toBe(2);
  await client.close({ keepSession: true });
});

test('who follows the configuration goes on when somebody removes its watch', async () => {
  const service = new Service();
  const { wire, resolver } = service;
  const client = await connect('zk9:2181', { transport: wire.transport, resolver, followConfig: true });
  await client.exists('/'); // behind the first read
  wire.fate = (_, path) => {
    service.reads += path === '/zookeeper/config' ? 1 : 0;
    return 'answered';
  };
  await client.removeWatches('/zookeeper/config');
  await client.exists('/');
  expect(service.reads).toBe(2); // the removal, and the read that sets it again
  await client.close({ keepSession: true });
});
