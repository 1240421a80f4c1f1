import { expect, test } from 'vitest';
import { ensembleConfig } from '../src/ensemble-config.ts';
import type { Stat } from '../src/types.ts';

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
