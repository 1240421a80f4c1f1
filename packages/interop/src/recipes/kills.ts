/**
 * Twenty processes that want one lock. Some are killed, some paused for longer than their session lives, some robbed of
 * their node while they hold. All writes that the server has taken are in a log, in their order: those of a holder must
 * never come behind those of a later one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, connect, isTreekeeperError, utf8 } from '@treekeeper/client';
import { Lock } from '@treekeeper/recipes';
import { Random } from '../random.ts';
import { Server } from '../servers.ts';
import type { Checks, Options } from '../suite.ts';

const CONTENDERS = 20;
const SESSION_TIMEOUT_MS = 1000;
const LOOK_AGAIN_MS = 5;
const PROGRESS_MS_MAX = 60_000;

const faults = ['kill', 'pause', 'rob'] as const;

/** A write as it stands in the log. */
interface Entry {
  readonly token: bigint;
  readonly name: string;
}

export async function contendWithKills(options: Options, checks: Checks): Promise<void> {
  const { directory, seed, kills } = options;
  const server = await Server.start({
    flavour: options.server,
    directory: join(directory, 'recipes-kills'),
    settings: { tickTime: 200 },
  });
  const address = `127.0.0.1:${server.port}`;
  await using admin = await connect(address);
  await admin.create('/guarded');
  await admin.create('/unguarded');
  const contest = new Contest(address, admin, new Random(seed));
  try {
    await contest.run(kills);
  } finally {
    await contest.end();
  }
  const guarded = await entriesOf(admin, '/guarded');
  const violations = lateWrites(guarded);
  const tokens = new Set(guarded.map(({ token }) => token)).size;
  checks.equal('writes of holders that were none any more', violations, []);
  checks.that('the lock went round', tokens > kills, () => `${tokens} holders after ${kills} faults`);
  checks.that('some writes were refused', contest.fenced > 0, () => 'the guard was never needed: this proves nothing');
  checks.equal('contenders that failed', contest.failures, []);
  const late = lateWrites(await entriesOf(admin, '/unguarded')).length;
  const told = `${guarded.length} guarded writes by ${tokens} holders, ${contest.fenced} refused`;
  checks.note(`${CONTENDERS} contenders, ${kills} faults: ${told}; without the guard ${late} came too late`);
  await server.stop();
}

/** Those that come behind a write of a later holder. */
function lateWrites(entries: readonly Entry[]): string[] {
  let highest: Entry = { token: 0n, name: 'nobody' };
  const late: string[] = [];
  for (const entry of entries) {
    if (entry.token < highest.token) {
      late.push(`${entry.name} (${entry.token}) behind ${highest.name} (${highest.token})`);
    } else {
      highest = entry;
    }
  }
  return late;
}

async function entriesOf(client: Client, log: string): Promise<Entry[]> {
  const names = (await client.children(log)).sort();
  return Promise.all(names.map((name) => entryOf(client, `${log}/${name}`)));
}

async function entryOf(client: Client, path: string): Promise<Entry> {
  const { value } = await client.get(path, { codec: utf8 });
  const [token = '', name = ''] = value.split(' ');
  return { token: BigInt(token), name };
}

class Contest {
  readonly #address: string;
  readonly #admin: Client;
  readonly #random: Random;
  readonly #lock: Lock;
  readonly #running = new Map<string, ChildProcess>();
  #started = 0;
  #isOver = false;
  fenced = 0;
  readonly failures: string[] = [];

  constructor(address: string, admin: Client, random: Random) {
    this.#address = address;
    this.#admin = admin;
    this.#random = random;
    this.#lock = new Lock(admin, '/lock');
  }

  async run(rounds: number): Promise<void> {
    while (this.#running.size < CONTENDERS) {
      this.#start();
    }
    for (let round = 0; round < rounds; round++) {
      await this.#progress();
      const holder = (await this.#lock.contenders())[0];
      const name = holder !== undefined && this.#random.chance(0.75) ? holder.data : this.#anybody();
      const fault = this.#random.pick(faults);
      if (fault === 'kill') {
        await this.#kill(name);
      } else if (fault === 'pause') {
        await this.#pause(name);
      } else {
        await this.#rob(name);
      }
    }
    await this.#progress();
    await this.#eventually('a holder that was robbed is refused a write', async () => {
      const [holder] = await this.#lock.contenders();
      if (this.fenced === 0 && holder !== undefined) {
        await this.#rob(holder.data);
        await this.#progress();
      }
      return this.fenced > 0;
    });
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#running.keys()].map((name) => this.#take(name)));
  }

  #anybody(): string {
    return this.#random.pick([...this.#running.keys()]);
  }

  #start(): void {
    const name = `c${this.#started++}`;
    const file = join(import.meta.dirname, 'contender.js');
    const child = spawn(process.execPath, [file, this.#address, name, String(SESSION_TIMEOUT_MS)]);
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      this.fenced += chunk.toString().split('\n').length - 1;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.once('exit', (code, signal) => {
      if (signal !== 'SIGKILL' && !this.#isOver) {
        this.failures.push(`${name} ended with ${code ?? signal}\n${errors}`);
      }
    });
    this.#running.set(name, child);
  }

  /** SIGKILL, and waits until it is gone. */
  async #take(name: string): Promise<void> {
    const child = this.#running.get(name);
    this.#running.delete(name);
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
  }

  async #kill(name: string): Promise<void> {
    await this.#take(name);
    this.#start();
  }

  /** Until its session is over and somebody else has written. */
  async #pause(name: string): Promise<void> {
    const child = this.#running.get(name);
    child?.kill('SIGSTOP');
    await this.#eventually(`the session of ${name}, which is paused, is over`, async () => {
      return (await this.#lock.contenders()).every(({ data }) => data !== name);
    });
    await this.#progress();
    child?.kill('SIGCONT');
  }

  /** Its session lives on: only the guard can tell it. */
  async #rob(name: string): Promise<void> {
    const contender = (await this.#lock.contenders()).find(({ data }) => data === name);
    if (contender !== undefined) {
      await this.#admin.delete(contender.node).catch((error: unknown) => {
        if (!isTreekeeperError(error, 'NO_NODE')) {
          throw error;
        }
      });
    }
  }

  /** Another gets the lock than who wrote last, and writes. */
  async #progress(): Promise<void> {
    const before = await this.#lastToken();
    await this.#eventually('the next holder writes', async () => (await this.#lastToken()) !== before);
  }

  async #lastToken(): Promise<bigint | undefined> {
    const last = (await this.#admin.children('/guarded')).sort().at(-1);
    return last === undefined ? undefined : (await entryOf(this.#admin, `/guarded/${last}`)).token;
  }

  async #eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PROGRESS_MS_MAX;
    while (!(await holds())) {
      if (Date.now() > deadline) {
        throw new Error(`not after ${PROGRESS_MS_MAX} ms: ${what}`);
      }
      await sleep(LOOK_AGAIN_MS);
    }
  }
}
