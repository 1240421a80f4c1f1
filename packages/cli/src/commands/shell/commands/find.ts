import { UsageError } from '../../../terminal.ts';
import type { Arguments } from '../arguments.ts';
import { hex } from '../format.ts';
import { globPattern } from '../glob.ts';
import { kindOf, NODE_KINDS } from '../node-kind.ts';
import { nameOf } from '../paths.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, type WalkedNode, walk } from '../walk.ts';

const AGE_UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export const find: ShellCommand = {
  name: 'find',
  group: 'trees',
  summary: 'List the nodes below one that fit',
  parameters: [{ name: 'path', kind: 'path', optional: true }],
  flags: {
    name: { value: 'pattern', meaning: 'Names with * and ?, such as lock-*' },
    type: { value: 'kind', choices: NODE_KINDS, meaning: NODE_KINDS.join(', ') },
    owner: { value: 'session', meaning: 'Ephemeral nodes of this session, 0x...' },
    empty: { meaning: 'Neither data nor children' },
    'min-bytes': { value: 'bytes', meaning: 'At least so much data' },
    newer: { value: 'age', meaning: 'Changed within 30s, 5m, 2h, 7d' },
    older: { value: 'age', meaning: 'Not changed within' },
  },
  examples: ['find /services --name "web-*" --type ephemeral', 'find / --min-bytes 100000'],
  async run(shell, args) {
    const top = shell.resolve(args.optional('path') ?? '.');
    const fits = filterOf(args, Date.now());
    const found = [...flat(await walk(shell, top))].filter(fits);
    const rows = found.map(({ path, stat }) => ({ path, type: kindOf(stat), dataLength: stat.dataLength }));
    shell.output.show(rows, found.map(({ path }) => path).join('\n'));
  },
};

function filterOf(args: Arguments, nowMs: number): (node: WalkedNode) => boolean {
  const tests: ((node: WalkedNode) => boolean)[] = [];
  const name = args.flag('name');
  if (name !== undefined) {
    const pattern = globPattern(name);
    tests.push(({ path }) => pattern.test(nameOf(path)));
  }
  const type = args.flag('type');
  if (type !== undefined) {
    tests.push(({ stat }) => kindOf(stat) === type);
  }
  const owner = args
    .flag('owner')
    ?.toLowerCase()
    .replace(/^(0x)?/, '0x');
  if (owner !== undefined) {
    tests.push(({ stat }) => kindOf(stat) === 'ephemeral' && hex(stat.ephemeralOwner) === owner);
  }
  if (args.has('empty')) {
    tests.push(({ stat }) => stat.dataLength === 0 && stat.numChildren === 0);
  }
  const bytesMin = args.integer('min-bytes');
  if (bytesMin !== undefined) {
    tests.push(({ stat }) => stat.dataLength >= bytesMin);
  }
  const [newer, older] = [ageMs(args, 'newer'), ageMs(args, 'older')];
  if (newer !== undefined) {
    tests.push(({ stat }) => nowMs - Number(stat.mtime) <= newer);
  }
  if (older !== undefined) {
    tests.push(({ stat }) => nowMs - Number(stat.mtime) > older);
  }
  return (node) => tests.every((test) => test(node));
}

function ageMs(args: Arguments, flag: string): number | undefined {
  const text = args.flag(flag);
  if (text === undefined) {
    return undefined;
  }
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (count === undefined) {
    throw new UsageError(`--${flag} ${text}: an age is a number and s, m, h or d, such as 5m`);
  }
  return Number(count) * AGE_UNITS_MS[unit];
}
