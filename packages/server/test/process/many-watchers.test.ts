/** More watchers of one node than one thread likes to tell. */
import { EventType } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { create, getData, setData } from '../replica/requests.ts';
import { Client } from './support/client.ts';
import { ServerProcess } from './support/server-process.ts';

const WATCHERS = 150;
const ROUNDS = 5;

test('each of many watchers hears of each change once, before it can see it', async () => {
  const server = await ServerProcess.start({ maxClientCnxns: 0 });
  const writer = await Client.open(server.port);
  await writer.call(create('/watched', { data: '0' }));
  const watchers = await Promise.all(Array.from({ length: WATCHERS }, () => Client.open(server.port)));
  for (let round = 1; round <= ROUNDS; round++) {
    const before = await Promise.all(watchers.map((client) => client.call(getData('/watched', true))));
    expect(new Set(before.map(({ body }) => Buffer.from(body.data ?? []).toString()))).toEqual(
      new Set([String(round - 1)]),
    );
    await writer.call(setData('/watched', String(round)));
    // What is read now was written to the same sockets after the events.
    const after = await Promise.all(watchers.map((client) => client.call(getData('/watched'))));
    expect(new Set(after.map(({ body }) => Buffer.from(body.data ?? []).toString()))).toEqual(new Set([String(round)]));
    for (const { events } of watchers) {
      expect(events).toEqual(
        Array.from({ length: round }, () => ({ type: EventType.nodeDataChanged, path: '/watched' })),
      );
    }
  }
  await Promise.all(watchers.map((client) => client.end()));
  await writer.end();
  expect(server.output).not.toMatch(/WARN|ERROR/);
  expect(await server.stop()).toBe(0);
});
