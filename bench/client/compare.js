/**
 * Our client beside `node-zookeeper-client` and the native addon `zookeeper`: get and set with 32 in flight from one
 * process, in turns against the same server, which does not wait for its disk: the clients are what is measured.
 * `node bench/client/compare.js DIRECTORY`, where DIRECTORY has the other two in its node_modules:
 * `npm install --prefix DIRECTORY node-zookeeper-client zookeeper`. The last builds itself with a C compiler.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect } from '../../packages/client/dist/index.js';

const IN_FLIGHT = 32;
const OPERATIONS = Number(process.env.OPERATIONS ?? 20_000);
const ROUNDS = Number(process.env.ROUNDS ?? 7);
const DATA = Buffer.alloc(100, 'x');
const PATH = '/bench';

const peers = createRequire(join(resolve(process.argv[2] ?? '.'), 'x.js'));
const port = await freePort();
const directory = mkdtempSync(join(tmpdir(), 'treekeeper-bench-'));
const server = startServer();
try {
  const clients = [await ours(), await pure(), await native()];
  console.log(
    `# Node ${process.version}, ${availableParallelism()} cores; ${IN_FLIGHT} in flight, ${DATA.length} bytes`,
  );
  console.log(
    `# ${ROUNDS} rounds of ${OPERATIONS} operations each; medians: operations per second, processor time of the client`,
  );
  for (const operation of ['get', 'set']) {
    const results = clients.map(() => []);
    for (let round = -1; round < ROUNDS; round++) {
      for (let turn = 0; turn < clients.length; turn++) {
        const i = (turn + round + 1) % clients.length; // nobody is always first
        const result = await measure(clients[i][operation]);
        if (round >= 0) {
          results[i].push(result); // the round before the first warms up
        }
      }
    }
    const rates = results.map((list) => median(list.map(({ rate }) => rate)));
    const costs = results.map((list) => median(list.map(({ cpuMicros }) => cpuMicros)));
    for (const [i, { name }] of clients.entries()) {
      const [faster, cheaper] = [rates[0] / rates[i], costs[i] / costs[0]].map((ratio) => ratio.toFixed(1));
      const ratios = i === 0 ? '' : `  ours: ${faster} times the rate, 1/${cheaper} of the time`;
      const rate = String(Math.round(rates[i])).padStart(7);
      console.log(`${operation}  ${name.padEnd(22)} ${rate}/s ${costs[i].toFixed(1).padStart(6)} µs each${ratios}`);
    }
  }
  const sets = clients.length * (ROUNDS + 1) * OPERATIONS;
  const { version } = await clients[0].stat();
  if (version !== sets) {
    throw new Error(`the node was set ${version} times, not ${sets}`);
  }
  for (const { close } of clients) {
    await close();
  }
} finally {
  server.kill('SIGKILL');
  rmSync(directory, { recursive: true });
}
process.exit();

async function measure(operation) {
  let left = OPERATIONS;
  const began = performance.now();
  const cpu = process.cpuUsage();
  await new Promise((done, fail) => {
    let running = 0;
    const next = () => {
      if (left > 0) {
        left--;
        running++;
        operation((error) => {
          if (error) {
            fail(error);
            return;
          }
          running--;
          next();
        });
      } else if (running === 0) {
        done();
      }
    };
    for (let i = 0; i < IN_FLIGHT; i++) {
      next();
    }
  });
  const { user, system } = process.cpuUsage(cpu);
  const rate = OPERATIONS / ((performance.now() - began) / 1000);
  return { rate, cpuMicros: (user + system) / OPERATIONS };
}

function median(list) {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
}

/** Each with the interface that costs it least. */
async function ours() {
  const client = await connect(`127.0.0.1:${port}`);
  await client.create(PATH, DATA);
  return {
    name: '@treekeeper/client',
    get: (done) => client.get(PATH).then(({ value }) => done(value.length === DATA.length ? null : 'wrong'), done),
    set: (done) => client.set(PATH, DATA).then(() => done(null), done),
    stat: () => client.exists(PATH),
    close: () => client.close(),
  };
}

async function pure() {
  const client = peers('node-zookeeper-client').createClient(`127.0.0.1:${port}`);
  const connected = new Promise((done) => client.once('connected', done));
  client.connect();
  await connected;
  return {
    name: 'node-zookeeper-client',
    get: (done) => client.getData(PATH, (error, data) => done(error ?? (data.length === DATA.length ? null : 'wrong'))),
    set: (done) => client.setData(PATH, DATA, (error) => done(error)),
    close: () => client.close(),
  };
}

async function native() {
  const ZooKeeper = peers('zookeeper');
  const client = new ZooKeeper({ connect: `127.0.0.1:${port}`, timeout: 10_000, debug_level: 1 });
  const connected = new Promise((done) => client.once('connect', done));
  client.init({});
  await connected;
  return {
    name: 'zookeeper (native)',
    get: (done) =>
      client.a_get(PATH, false, (rc, _, __, data) => done(rc === 0 && data.length === DATA.length ? null : `rc ${rc}`)),
    set: (done) => client.a_set(PATH, DATA, -1, (rc) => done(rc === 0 ? null : `rc ${rc}`)),
    close: () => client.close(),
  };
}

function startServer() {
  const file = join(directory, 'zoo.cfg');
  writeFileSync(
    file,
    `dataDir=${directory}/data\nclientPort=${port}\nclientPortAddress=127.0.0.1\nforceSync=no\nadmin.enableServer=false\n`,
  );
  const command = join(import.meta.dirname, '../../packages/cli/bin/treekeeper.js');
  return spawn(process.execPath, [command, 'server', file], { stdio: 'ignore' });
}

async function freePort() {
  const probe = createServer();
  await new Promise((done) => probe.listen(0, '127.0.0.1', done));
  const { port: free } = probe.address();
  await new Promise((done) => probe.close(done));
  return free;
}
