// Where a single server's main thread spends its time under a load of zkload: self time by package, folder and function.
//
//   npm run build && cc -O2 -o zkload bench/zkload.c && node bench/profile.mjs ./zkload set/30/32 create/30/32 mix:90/30/32
//
// The compiled files are profiled, not the bundle, so that functions have their files. What comes before and after the
// measured seconds is left out.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const SECONDS = 3;
const WARM_SECONDS = 2;
const INTERVAL_US = 250;
const FUNCTIONS_SHOWN = 30;
/** Of all time: what takes less is not shown. */
const SHARE_SHOWN_MIN = 0.005;

const root = fileURLToPath(new URL('..', import.meta.url));
const [zkload, ...cases] = process.argv.slice(2);
for (const load of cases) {
  process.stdout.write(await profile(load));
}

async function profile(load) {
  const directory = mkdtempSync(join(tmpdir(), 'treekeeper-profile-'));
  try {
    const port = await freePort();
    const zooCfg = join(directory, 'zoo.cfg');
    writeFileSync(zooCfg, `dataDir=${directory}/data\nclientPort=${port}\nmaxClientCnxns=0\n`);
    const profiling = ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${INTERVAL_US}`];
    const main = join(root, 'packages/cli/dist/main.js');
    const server = spawn(process.execPath, [...profiling, main, 'server', zooCfg]);
    await seen(server.stdout, 'ready');
    const [mode, sessions, window] = load.split('/');
    const args = ['-h', `127.0.0.1:${port}`, '-c', sessions, '-w', window, '-m', mode];
    const loading = spawn(zkload, [...args, '-t', `${SECONDS}`, '-u', `${WARM_SECONDS}`]);
    let figures = '';
    loading.stdout.on('data', (chunk) => {
      figures += chunk;
    });
    await once(loading, 'close');
    server.kill('SIGTERM');
    await once(server, 'exit');
    const [file] = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
    return report(load, figures, JSON.parse(readFileSync(join(directory, file), 'utf8')));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function report(load, figures, { nodes, samples, timeDeltas, endTime, startTime }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const [groups, functions] = [new Map(), new Map()];
  const add = (map, key, us) => map.set(key, (map.get(key) ?? 0) + us);
  // The server ends as soon as the load has.
  const fromUs = endTime - SECONDS * 1e6;
  let atUs = startTime;
  let total = 0;
  for (const [i, id] of samples.entries()) {
    atUs += timeDeltas[i];
    if (atUs < fromUs) {
      continue;
    }
    const us = timeDeltas[i + 1] ?? 0;
    const { functionName, url } = byId.get(id);
    const place = placeOf(functionName, url);
    total += us;
    add(groups, place.group, us);
    add(functions, `${functionName || '(anonymous)'}  ${place.file}`.trimEnd(), us);
  }
  const lines = (map, max) =>
    [...map]
      .sort(([, a], [, b]) => b - a)
      .filter(([, us]) => us / total >= SHARE_SHOWN_MIN)
      .slice(0, max)
      .map(([name, us]) => `  ${((us / total) * 100).toFixed(1).padStart(5)} %  ${name}`);
  return [
    `${load}: ${figures.trim()}`,
    '',
    'by package and folder',
    ...lines(groups),
    '',
    'by function',
    ...lines(functions, FUNCTIONS_SHOWN),
    '',
    '',
  ].join('\n');
}

function placeOf(functionName, url) {
  if (url.startsWith('node:')) {
    return { group: url.split('/').slice(0, 2).join('/'), file: url };
  }
  if (!url.startsWith('file:')) {
    const isState = functionName.startsWith('(');
    return { group: isState ? functionName : 'native functions called by JavaScript', file: '' };
  }
  const file = relative(join(root, 'packages'), fileURLToPath(url)).replace('/dist/', '/').replace(/\.js$/, '.ts');
  const parts = file.split('/');
  return { group: parts.slice(0, parts.length > 2 ? 2 : 1).join('/'), file };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

async function seen(stream, text) {
  let output = '';
  for await (const chunk of stream) {
    output += chunk;
    if (output.includes(text)) {
      stream.resume();
      return;
    }
  }
  throw new Error(`the server ended: ${output}`);
}
