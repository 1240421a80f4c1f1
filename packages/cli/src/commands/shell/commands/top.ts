import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../format.ts';
import { paint } from '../io.ts';
import { askAll, srvrFields } from '../servers.ts';
import type { Shell, ShellCommand } from '../shell.ts';

const INTERVAL_S_DEFAULT = 2;
const CLEAR = '\u001b[H\u001b[2J';

/** One server at one moment. */
interface Sample {
  readonly server: string;
  /** Of `srvr`, by the names that it has there; null: no answer. */
  readonly fields: ReadonlyMap<string, string> | null;
  readonly error: string | null;
  readonly atMs: number;
}

export const top: ShellCommand = {
  name: 'top',
  group: 'servers',
  summary: 'Watch the servers at work until Ctrl-C: requests per second, latencies, connections',
  parameters: [],
  flags: {
    d: { value: 'seconds', meaning: `Between two looks; ${INTERVAL_S_DEFAULT}` },
    n: { value: 'count', meaning: 'End after so many looks' },
  },
  needsSession: false,
  async run(shell, args) {
    const intervalMs = (args.integer('d', 1, 3600) ?? INTERVAL_S_DEFAULT) * 1000;
    const countMax = args.integer('n', 1) ?? Number.POSITIVE_INFINITY;
    let before = await look(shell);
    for (let count = 0; count < countMax; count++) {
      await sleep(intervalMs, undefined, { signal: shell.signal });
      const now = await look(shell);
      const rows = now.map((sample, i) => rowOf(sample, before[i]));
      const screen = shell.io.outColour && shell.output.format === 'text';
      if (screen) {
        shell.io.out(CLEAR);
      }
      shell.output.show(rows, screenText(shell, rows));
      before = now;
    }
  },
};

async function look(shell: Shell): Promise<Sample[]> {
  const answers = await askAll(shell, 'srvr');
  return answers.map((answer) => ({ ...answer, fields: srvrFields(answer), atMs: performance.now() }));
}

type Row = { readonly [key: string]: Json };

function rowOf(now: Sample, before: Sample): Row {
  const { server, fields } = now;
  if (fields === null) {
    return { server, mode: now.error ?? 'does not serve' };
  }
  const perSecond = (name: string): number | null => {
    const [from, to] = [Number(before.fields?.get(name)), Number(fields.get(name))];
    const rate = ((to - from) * 1000) / (now.atMs - before.atMs);
    return Number.isFinite(rate) ? Math.max(0, Math.round(rate)) : null;
  };
  const number = (name: string): number | null => (fields.has(name) ? Number(fields.get(name)) : null);
  return {
    server,
    mode: fields.get('Mode') ?? '',
    zxid: fields.get('Zxid') ?? '',
    requestsPerS: perSecond('Received'),
    repliesPerS: perSecond('Sent'),
    latencyMs: fields.get('Latency min/avg/max') ?? '',
    outstanding: number('Outstanding'),
    connections: number('Connections'),
    nodes: number('Node count'),
  };
}

const COLUMNS: readonly (readonly [field: string, head: string])[] = [
  ['server', 'SERVER'],
  ['mode', 'MODE'],
  ['requestsPerS', 'REQ/S'],
  ['repliesPerS', 'SENT/S'],
  ['latencyMs', 'LATENCY min/avg/max ms'],
  ['outstanding', 'WAITING'],
  ['connections', 'CONN'],
  ['nodes', 'NODES'],
  ['zxid', 'ZXID'],
];

function screenText(shell: Shell, rows: readonly Row[]): string {
  const cells = rows.map((row) => COLUMNS.map(([field]) => String(row[field] ?? '')));
  const heads = COLUMNS.map(([, head]) => head);
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((line) => line[i].length)));
  const lineOf = (line: readonly string[]): string =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  return [paint(shell.output.colour, 'bold', lineOf(heads)), ...cells.map(lineOf)].join('\n');
}
