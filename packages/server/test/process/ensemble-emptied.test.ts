/** A member comes up without its disk, where db.autocreate=false: it says so, and gets everything from the others. */
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { create, exists, sync } from '../replica/requests.ts';
import { EnsembleProcesses } from './support/ensemble.ts';

let ensemble: EnsembleProcesses | null = null;
afterAll(() => ensemble?.stop());

test('a member whose directory is empty has everything again', async () => {
  const running = await EnsembleProcesses.start(3);
  ensemble = running;
  const leader = await running.leader();
  const writer = await leader.client();
  await writer.call(create('/before'));
  const [emptied] = running.members.filter((member) => member !== leader);
  await emptied.stop('SIGKILL');
  rmSync(join(emptied.directory, 'data', 'version-2'), { recursive: true });
  appendFileSync(join(emptied.directory, 'zoo.cfg'), 'db.autocreate=false\n');
  await emptied.start();
  await running.untilServing();
  expect(emptied.output).toMatch(/there is no data, and db\.autocreate=false .* This server does not vote/);
  const reader = await emptied.client();
  await reader.call(sync('/'));
  expect((await reader.call(exists('/before'))).err).toBe(0);
});
