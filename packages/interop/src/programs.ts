/** Programs that people run against ZooKeeper: its Java shell, its C shell, and kazoo with all its recipes. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { cScript, cShellText } from './programs/c-shell.ts';
import { shellScript, shellText } from './programs/java-shell.ts';
import { type Flavour, repositoryRoot, Server } from './servers.ts';
import type { Checks, Options, Suite } from './suite.ts';

export const kazooScripts = ['client_calls', 'watchers', 'recipes', 'reconnect'] as const;
const SCRIPT_MS_MAX = 180_000;

export const programs: Suite = {
  name: 'programs',
  summary: 'zkCli.sh, cli_mt and kazoo (client, watchers, all recipes) work, and print what they print with Apache',
  async run(options, checks) {
    await sameText('zkCli.sh', shellText, shellScript, options, checks);
    await sameText('cli_mt', cShellText, cScript, options, checks);
    for (const script of kazooScripts) {
      await checks.part(`kazoo: ${script}`, async () => {
        const server = await fresh(options.server, options);
        const restart = async (): Promise<void> => {
          await server.kill();
          await server.start();
        };
        await runKazoo(script, `127.0.0.1:${server.port}`, restart, checks);
        await server.stop();
      });
    }
  },
};

type Shell = (port: number) => Promise<string>;

/** Runs a shell's script against a fresh server of each kind; `expected` must be in the text, and the texts the same. */
async function sameText(
  name: string,
  shell: Shell,
  script: readonly (readonly [command: string, expected: string])[],
  options: Options,
  checks: Checks,
): Promise<void> {
  const run = async (flavour: Flavour): Promise<string> => {
    const server = await fresh(flavour, options);
    const text = await shell(server.port);
    await server.stop();
    return text;
  };
  await checks.part(name, async () => {
    const theirs = await run('apache');
    const ours = await run(options.server);
    for (const [command, expected] of script) {
      checks.that(`${name}: ${command}`, ours.includes(expected), () => `no "${expected}" in\n${ours}`);
    }
    const [a, b] = [theirs.split('\n'), ours.split('\n')];
    const at = a.findIndex((line, i) => line !== b[i]);
    const near = (lines: string[]): string => lines.slice(Math.max(0, at - 3), at + 4).join('\n  ');
    checks.that(`${name}: the same text`, theirs === ours, () => `Apache:\n  ${near(a)}\nhere:\n  ${near(b)}`);
  });
}

async function fresh(flavour: Flavour, options: Options): Promise<Server> {
  const directory = mkdtempSync(join(options.directory, 'programs-'));
  return Server.start({ flavour, directory });
}

/** Runs one of the Python scripts; it may ask for the server to be killed and started again. */
export async function runKazoo(
  script: string,
  hosts: string,
  restart: () => Promise<void>,
  checks: Checks,
): Promise<void> {
  const file = join(repositoryRoot, 'packages/interop/python', `${script}.py`);
  // The distribution's Python, for the distribution's kazoo.
  const child = spawn('/usr/bin/python3', ['-B', file, hosts], {
    stdio: 'pipe',
    timeout: SCRIPT_MS_MAX,
  });
  let text = '';
  let restarts = Promise.resolve();
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (chunk.includes('RESTART')) {
      restarts = restarts.then(async () => {
        await restart();
        child.stdin.write('\n');
      });
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const status = await new Promise<number | null>((done) => child.once('close', done));
  await restarts;
  checks.that(`kazoo: ${script} ends well`, status === 0, () => `status ${status}\n${text.slice(-2500)}`);
}
