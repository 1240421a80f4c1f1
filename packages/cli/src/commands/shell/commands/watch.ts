import { spawn } from 'node:child_process';
import { isTreekeeperError, nullableBytes, type WatchEvent } from '@treekeeper/client';
import { dataJson, dataText, type Json } from '../format.ts';
import { paint } from '../io.ts';
import type { Shell, ShellCommand } from '../shell.ts';

const COLOURS = { created: 'green', deleted: 'red', 'data-changed': 'yellow' } as const;

export const watch: ShellCommand = {
  name: 'watch',
  group: 'watches',
  summary: 'Follow what happens to a node until Ctrl-C; run a command for each change',
  parameters: [
    { name: 'path', kind: 'path' },
    { name: 'command', kind: 'command', optional: true },
  ],
  flags: {
    r: { meaning: 'Everything below as well' },
    n: { value: 'count', meaning: 'End after so many changes' },
  },
  examples: ['watch -r /services', 'watch -n 1 /app -- systemctl reload app'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const countMax = args.integer('n', 1) ?? Number.POSITIVE_INFINITY;
    await using events = shell.client.watch(path, { recursive: args.has('r'), signal: shell.signal });
    await events.ready;
    shell.note(`watching ${path}; Ctrl-C ends it`);
    const interrupted = new Promise<never>((_resolve, reject) => {
      shell.signal.addEventListener('abort', () => reject(shell.signal.reason), { once: true });
    });
    interrupted.catch(() => {});
    for (let count = 0; count < countMax; count++) {
      const { value: event } = await Promise.race([events.next(), interrupted]);
      if (event === undefined) {
        return;
      }
      await tell(shell, event, args.rest);
    }
  },
};

async function tell(shell: Shell, event: WatchEvent, command: readonly string[]): Promise<void> {
  const { type, path } = event;
  const data = type === 'created' || type === 'data-changed' ? await dataAt(shell, path) : undefined;
  const time = new Date().toISOString();
  const shown = data === undefined ? '' : `  ${dataText(data)}`;
  const colour = COLOURS[type as keyof typeof COLOURS] ?? 'cyan';
  const text = `${time.slice(11, 23)}  ${paint(shell.output.colour, colour, type.padEnd(16))}  ${path}${shown}`;
  const value: { [key: string]: Json } = {
    time,
    type,
    path,
    zxid: event.zxid === null ? null : `0x${event.zxid.toString(16)}`,
  };
  shell.output.emit({ ...value, ...(data !== undefined && dataJson(data)) }, text);
  if (command.length > 0) {
    await runFor(event, command, data ?? null);
  }
}

/** Undefined: it is gone already, or may not be read. */
async function dataAt(shell: Shell, path: string): Promise<Uint8Array | null | undefined> {
  try {
    return (await shell.client.get(path, { codec: nullableBytes, signal: shell.signal })).value;
  } catch (error) {
    if (isTreekeeperError(error, 'NO_NODE') || isTreekeeperError(error, 'NO_AUTH')) {
      return undefined;
    }
    throw error;
  }
}

/** The command finds what happened in its environment, and the data on its standard input. Its end is waited for. */
async function runFor({ type, path }: WatchEvent, [file, ...args]: readonly string[], data: Uint8Array | null) {
  const env = { ...process.env, TREEKEEPER_EVENT: type, TREEKEEPER_PATH: path };
  const child = spawn(file, args, { stdio: ['pipe', 'inherit', 'inherit'], env });
  child.stdin.on('error', () => {}); // it need not read them
  child.stdin.end(data ?? '');
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve());
  });
}
