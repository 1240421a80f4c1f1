import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const SHELL_MS_MAX = 60_000;

/** Commands of cli_mt, all pipelined, each with a piece of what it prints. */
export const cScript: readonly (readonly [command: string, expected: string])[] = [
  ['create /c', '[/c]: rc = 0\n\tname = /c\n'],
  ['create /c', '[/c]: rc = -110'],
  ['create2 /c/two', '[/c/two]: rc = 0\n\tname = /c/two\n'],
  ['create +e /c/e', 'name = /c/e\n'],
  ['create +s /c/s-', 'name = /c/s-0000000002\n'],
  ['create +es /c/es-', 'name = /c/es-0000000003\n'],
  ['create +c /c/container', 'name = /c/container\n'],
  ['create +t=100000 /c/ttl', 'name = /c/ttl\n'],
  ['set /c some-data', '/c: rc = 0 Stat:'],
  ['get /c', 'value_len = 9\nsome-data\n'],
  ['get /none', '/none: rc = -101'],
  ['exists /none', 'Error -101 for /none'],
  ['sync /c', '[/c]: rc = 0'],
  ['config', '/zookeeper/config: rc = 0'],
  ['delete /c/two', '/c/two: rc = 0'],
  ['delete /c', '/c: rc = -111'],
  ['wexists /c', ''],
  ['set /c changed', ''],
  ['get /end', '/end: rc = -101'],
];

/** What cli_mt prints for the script, clocks masked, without what its other thread prints on sending. */
export async function cShellText(port: number): Promise<string> {
  const args = ['-oL', '/usr/lib/zookeeper/bin/cli_mt', '-h', `127.0.0.1:${port}`];
  const child = spawn('sh', ['-c', `exec stdbuf ${args.join(' ')} 2>&1`], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: SHELL_MS_MAX,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise((done) => child.once('close', done));
  const seen = async (piece: string): Promise<void> => {
    for (let i = 0; i < SHELL_MS_MAX / 50 && !text.includes(piece); i++) {
      await sleep(50);
    }
  };
  await seen('CONNECTED_STATE');
  for (const [line] of cScript) {
    child.stdin.write(`${line}\n`);
    await sleep(30);
  }
  await seen('/end: rc = -101');
  child.stdin.end('quit\n');
  await ended;
  return masked(text);
}

function masked(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/ZOO_INFO|^time = |new session id|^Creating /.test(line))
    .map((line) => line.replace(/([cm]time ?= ?).*/, '$1TIME').replace(/(ephemeralOwner = )[1-9a-f].*/, '$1SESSION'))
    .join('\n');
}
