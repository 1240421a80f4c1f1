/** What the documentation shows runs: the Python of README and getting started, and the programs in examples/. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot, Server } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';

/** The distribution's, for which its package of kazoo is. */
const PYTHON = '/usr/bin/python3';
const PROGRAM_MS_MAX = 60_000;
/** Where the pages find their server. */
const PAGE_PORT = 2181;
const pages = ['README.md', 'docs/getting-started.md'];

export const examples: Suite = {
  name: 'examples',
  summary: 'the programs in examples/ and the Python in README and getting started run',
  async run(options, checks) {
    const server = await Server.start({ flavour: options.server, directory: join(options.directory, 'examples') });
    const folder = join(repositoryRoot, 'examples/kazoo');
    const programs = readdirSync(folder).filter((name) => name.endsWith('.py'));
    checks.that('there are examples', programs.length > 0, () => `none in ${folder}`);
    for (const name of programs) {
      run(name, [join(folder, name), `127.0.0.1:${server.port}`], checks);
    }
    for (const page of pages) {
      runPage(page, server.port, options, checks);
    }
    await server.stop();
  },
};

function run(name: string, args: readonly string[], checks: Checks): void {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, args, { encoding: 'utf8', timeout: PROGRAM_MS_MAX });
  checks.that(name, status === 0 && stdout !== '', () => `${error ?? `ended with ${status}`}\n${stdout}${stderr}`);
}

function runPage(page: string, port: number, { directory }: Options, checks: Checks): void {
  const text = readFileSync(join(repositoryRoot, page), 'utf8');
  const blocks = [...text.matchAll(/^```python\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  checks.that(`${page} shows Python`, blocks.length > 0, () => 'no block of it was found');
  for (const [i, block] of blocks.entries()) {
    const file = join(directory, `page-${pages.indexOf(page)}-${i}.py`);
    writeFileSync(file, block.replaceAll(`:${PAGE_PORT}`, `:${port}`));
    run(`${page}, Python block ${i + 1}`, [file], checks);
  }
}
