import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../random.ts';
import { type Flavour, Server } from '../servers.ts';
import { type Checks, type Options, type Suite, shortStack } from '../suite.ts';
import { differences } from './differences.ts';
import { Driver } from './driver.ts';
import { checkPage } from './page.ts';
import { UnexpectedDifference } from './pair.ts';
import { compareReapers, REAPER_INTERVAL_MS } from './reaper.ts';

/** A sequence begins with empty servers; long runs are many sequences. */
const SEQUENCE_REQUESTS = 25_000;
const HISTORY_STEPS = 10;

const settings = {
  tickTime: 500,
  maxSessionTimeout: 3_600_000,
  // Never flushed: this test is not about the disk, and reads faster so.
  forceSync: 'no',
  snapCount: 10_000,
  enforceQuota: 'true',
  // What goes by itself goes at different moments on two servers.
  'znode.container.checkIntervalMs': 3_600_000,
};

export const differential: Suite = {
  name: 'differential',
  summary: 'the same random requests to Apache ZooKeeper and to the server under test give the same answers',
  async run(options, checks) {
    checkPage(checks);
    await checks.part('containers and TTL nodes', () => reapers(options));
    let requests = 0;
    let compared = 0;
    const letThrough = new Map<string, number>();
    for (let sequence = 0; requests < options.requests; sequence++) {
      const seed = options.seed + sequence;
      const wanted = Math.min(SEQUENCE_REQUESTS, options.requests - requests);
      const driver = await runSequence(seed, wanted, options, checks);
      requests += driver.requestCount;
      compared += driver.pair.compared;
      for (const [id, count] of driver.pair.letThrough) {
        letThrough.set(id, (letThrough.get(id) ?? 0) + count);
      }
      if (checks.failures.length >= options.differencesMax) {
        break;
      }
    }
    checks.note(`${requests} requests, ${compared} answers and events compared, ${checks.failures.length} differences`);
    const listed = differences.filter(({ id }) => letThrough.has(id)).map(({ id }) => `${id} ${letThrough.get(id)}`);
    checks.note(`let through: ${listed.join(', ') || 'none'}`);
  },
};

function start(flavour: Flavour, directory: string, more: Record<string, number> = {}): Promise<Server> {
  return Server.start({ flavour, directory, settings: { ...settings, ...more } });
}

async function reapers(options: Options): Promise<void> {
  const often = { 'znode.container.checkIntervalMs': REAPER_INTERVAL_MS };
  const [a, b] = await Promise.all([
    start('apache', join(options.directory, 'reaper-a'), often),
    start(options.server, join(options.directory, 'reaper-b'), often),
  ]);
  try {
    await compareReapers(a, b);
  } finally {
    await Promise.all([a.kill(), b.kill()]);
  }
}

async function runSequence(seed: number, requests: number, options: Options, checks: Checks): Promise<Driver> {
  const [a, b] = await Promise.all([
    start('apache', join(options.directory, `differential-${seed}-a`)),
    start(options.server, join(options.directory, `differential-${seed}-b`)),
  ]);
  const trace = join(options.directory, `differential-${seed}.steps`);
  const driver = new Driver(new Random(seed), { a, b });
  try {
    await checks.part(`sequence with seed ${seed}`, async () => {
      try {
        await driver.run(requests);
      } catch (error) {
        writeFileSync(trace, driver.history.join('\n'));
        if (!(error instanceof UnexpectedDifference)) {
          checks.fail('sequence broken off', `${shortStack(error)}\n${reproduce(seed, driver)}\n${logs(a, b)}`);
          return;
        }
        checks.fail(`difference: ${error.signature}`, `${reproduce(seed, driver)}\n${error.message}`);
      }
    });
  } finally {
    await Promise.all([a.kill(), b.kill()]);
  }
  return driver;
}

function reproduce(seed: number, driver: Driver): string {
  const again = `npm run interop -- differential --seed ${seed} --requests ${driver.requestCount}`;
  return `step ${driver.stepCount}; again: ${again}\nlast steps:\n  ${driver.history.slice(-HISTORY_STEPS).join('\n  ')}`;
}

function logs(a: Server, b: Server): string {
  return [a, b].map((server) => `log of the ${server.flavour} server:\n${server.log.slice(-400)}`).join('\n');
}
