/**
 * What the documentation shows runs: the Python of README and getting started, and the programs in examples/, from
 * which the JavaScript of the guides is taken.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { repositoryRoot, Server } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';

/** The distribution's, for which its package of kazoo is. */
const PYTHON = '/usr/bin/python3';
const PROGRAM_MS_MAX = 60_000;
/** Where the pages find their server. */
const PAGE_PORT = 2181;
/** Brings its own server; with so many tasks it lasts a quarter of a minute. */
const DEMO = 'examples/master-worker/demo.mjs';
const DEMO_TASKS = '1000';
const pages = ['README.md', 'docs/getting-started.md'];

export const examples: Suite = {
  name: 'examples',
  summary: 'the programs in examples/ and the Python in README and getting started run; guides show parts of them',
  async run(options, checks) {
    const server = await Server.start({ flavour: options.server, directory: join(options.directory, 'examples') });
    for (const file of programsIn('examples/kazoo', '.py', checks)) {
      run(PYTHON, basename(file), [file, `127.0.0.1:${server.port}`], checks);
    }
    const ours = programsIn('examples/recipes', '.mjs', checks);
    for (const file of ours) {
      run(process.execPath, basename(file), [file, `127.0.0.1:${server.port}`], checks);
    }
    run(process.execPath, 'master-worker/demo.mjs', [join(repositoryRoot, DEMO), DEMO_TASKS], checks);
    guidesShow([...ours, ...programsIn(dirname(DEMO), '.mjs', checks)], checks);
    for (const page of pages) {
      runPage(page, server.port, options, checks);
    }
    await server.stop();
  },
};

function programsIn(folder: string, extension: string, checks: Checks): string[] {
  const names = readdirSync(join(repositoryRoot, folder)).filter((name) => name.endsWith(extension));
  checks.that('there are examples', names.length > 0, () => `none in ${folder}`);
  return names.map((name) => join(repositoryRoot, folder, name));
}

/** Each block of JavaScript in a guide is, word for word, a part of a program that has run. */
function guidesShow(programs: readonly string[], checks: Checks): void {
  const texts = programs.map((file) => readFileSync(file, 'utf8'));
  const guides = join(repositoryRoot, 'docs/guides');
  for (const guide of readdirSync(guides)) {
    const text = readFileSync(join(guides, guide), 'utf8');
    for (const [, block = ''] of text.matchAll(/^```js\n([\s\S]*?)^```$/gm)) {
      const isShown = texts.some((program) => program.includes(block));
      checks.that(`docs/guides/${guide}`, isShown, () => `in no program of examples/:\n${block}`);
    }
  }
}

function run(program: string, name: string, args: readonly string[], checks: Checks): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: PROGRAM_MS_MAX });
  checks.that(name, status === 0 && stdout !== '', () => `${error ?? `ended with ${status}`}\n${stdout}${stderr}`);
}

function runPage(page: string, port: number, { directory }: Options, checks: Checks): void {
  const text = readFileSync(join(repositoryRoot, page), 'utf8');
  const blocks = [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  checks.that(`${page} shows Python`, blocks.length > 0, () => 'no block of it was found');
  for (const [i, block] of blocks.entries()) {
    const file = join(directory, `page-${pages.indexOf(page)}-${i}.py`);
    writeFileSync(file, block.replaceAll(`:${PAGE_PORT}`, `:${port}`));
    run(PYTHON, `${page}, Python block ${i + 1}`, [file], checks);
  }
}
