/** A thousand sessions: those who join a group, and those who follow a configuration. */
import { connect } from '../../packages/client/dist/index.js';
import { Configuration, Membership } from '../../packages/recipes/dist/index.js';
import { report, spread } from './figures.js';

const CROWD = Number(process.env.CROWD ?? 1000);
const PUBLICATIONS = Number(process.env.PUBLICATIONS ?? 20);
const LEAVERS = 20;

export async function members(address) {
  const observer = await connect(address);
  const clients = await crowd(address);
  const group = new Membership(observer, '/bench-members');
  const seen = await group.members();
  const began = performance.now();
  const joining = Promise.all(
    clients.map((client, i) => new Membership(client, '/bench-members').join(`member-${i}`, `host-${i}:8080`)),
  );
  const selves = await joining;
  const joinedMs = performance.now() - began;
  await until(seen, ({ size }) => size === CROWD);
  const seenMs = performance.now() - began;
  report(`members: ${CROWD} join at once`, 'ours', `joined ${joinedMs.toFixed(0)}, all seen ${seenMs.toFixed(0)}`);
  const times = [];
  for (const self of selves.slice(0, LEAVERS)) {
    const leftMs = performance.now();
    const { size } = seen.current;
    void self.leave();
    await until(seen, (present) => present.size < size);
    times.push(performance.now() - leftMs);
  }
  report(`members: one of ${CROWD} leaves, and is missed`, 'ours', spread(times));
  await Promise.all([observer, ...clients].map((client) => client.close()));
}

async function until(live, isSo) {
  for await (const value of live) {
    if (isSo(value)) {
      return;
    }
  }
}

export async function configuration(address) {
  const any = { '~standard': { version: 1, vendor: 'bench', validate: (value) => ({ value }) } };
  const schemas = { round: any, text: any };
  const publisher = await connect(address);
  const published = new Configuration(publisher, '/bench-configuration', schemas);
  await published.publish({ round: 0, text: 'x'.repeat(100) });
  const clients = await crowd(address);
  const views = await Promise.all(
    clients.map((client) => new Configuration(client, '/bench-configuration', schemas).follow()),
  );
  const followers = views.map((view) => view[Symbol.asyncIterator]());
  await Promise.all(followers.map((follower) => follower.next()));
  const [first, last] = [[], []];
  for (let round = 1; round <= PUBLICATIONS; round++) {
    const began = performance.now();
    const times = [];
    const told = Promise.all(followers.map((follower) => follower.next().then(() => times.push(performance.now()))));
    await published.publish({ round, text: 'x'.repeat(100) });
    await told;
    first.push(times[0] - began);
    last.push(times[CROWD - 1] - began);
  }
  if (views.some(({ current }) => current.round !== PUBLICATIONS)) {
    throw new Error('somebody has not got the last publication');
  }
  report(`configuration: published, the first of ${CROWD} has it`, 'ours', spread(first));
  report('configuration: published, all have it', 'ours', spread(last));
  await Promise.all([publisher, ...clients].map((client) => client.close()));
}

/** In groups: a server's backlog is not for thousands. */
async function crowd(address) {
  const clients = [];
  while (clients.length < CROWD) {
    const group = Array.from({ length: Math.min(100, CROWD - clients.length) }, () =>
      connect(address, { sessionTimeoutMs: 10_000, connectTimeoutMs: 30_000 }),
    );
    clients.push(...(await Promise.all(group)));
  }
  return clients;
}
