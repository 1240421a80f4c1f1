/** Several clients over one session, each with its root. */
import { startServer } from '@treekeeper/testing';
import { expect, test } from 'vitest';
import type { WatchEvent } from '../src/index.ts';

test('ephemerals of a view are those below its root, not those of neighbours whose names begin so', async () => {
  await using server = await startServer();
  const client = await server.client();
  for (const path of ['/app', '/application']) {
    await client.create(path);
    await client.create(`${path}/e1`, '', { mode: 'ephemeral' });
  }
  await client.create('/apple', '', { mode: 'ephemeral' });
  const view = client.at('/app');
  expect(await view.ephemerals()).toEqual(['/e1']);
  expect(await view.ephemerals('/e')).toEqual(['/e1']);
  expect(await client.at('/apple').ephemerals()).toEqual(['/']);
  expect((await client.ephemerals('/app')).sort()).toEqual(['/app/e1', '/apple', '/application/e1']);
});

test('the same listener on the same path is one watch, through whichever call and view it is set', async () => {
  await using server = await startServer();
  const client = await server.client();
  await client.create('/app/node', '', { createParents: true });
  const told: string[] = [];
  const watch = ({ type, path }: WatchEvent): void => void told.push(`${type} ${path}`);
  for (let i = 0; i < 5; i++) {
    await client.getConfig({ watch });
    await client.at('/app').getConfig({ watch });
    await client.get('/zookeeper/config', { watch });
  }
  await client.removeWatches('/zookeeper/config', 'data');
  expect(told.splice(0)).toEqual(['removed /zookeeper/config']);
  for (let i = 0; i < 5; i++) {
    await client.at('/app').get('/node', { watch });
    await client.get('/app/node', { watch });
  }
  await client.set('/app/node', 'x');
  expect(told.sort()).toEqual(['data-changed /app/node', 'data-changed /node']);
});
