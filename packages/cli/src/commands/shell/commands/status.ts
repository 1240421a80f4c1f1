import type { ShellCommand } from '../command.ts';
import { EXIT, ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import { askAll, srvrFields } from '../servers.ts';

/** What writes that are on their way can make of a difference between servers. */
const LAG_MAX = 1000;

export const status: ShellCommand = {
  name: 'status',
  group: 'servers',
  summary: 'Ask each server, and say whether they are one healthy ensemble; exit code 1 if not',
  parameters: [],
  needsSession: false,
  async run(shell) {
    const answers = await askAll(shell, 'srvr');
    const rows = answers.map((answer) => {
      const fields = srvrFields(answer);
      const [mode, zxid] = [fields?.get('Mode') ?? null, fields?.get('Zxid') ?? null];
      const nodes = fields?.has('Node count') === true ? Number(fields.get('Node count')) : null;
      return {
        server: answer.server,
        mode,
        zxid,
        nodes,
        error: mode === null ? (answer.error ?? 'does not serve') : null,
      };
    });
    const troubles = troublesOf(rows);
    const lines = rows.map(({ server, mode, zxid, nodes, error }) =>
      error === null ? `${server}  ${mode}, zxid ${zxid}, ${counted(nodes ?? 0, 'node')}` : `${server}  ${error}`,
    );
    const verdict = troubles.length === 0 ? 'healthy' : troubles.join('; ');
    shell.output.show({ servers: rows, healthy: troubles.length === 0, troubles }, [...lines, verdict].join('\n'));
    if (troubles.length > 0) {
      throw new ShellError('', null, EXIT.failed);
    }
  },
};

interface Row {
  readonly server: string;
  readonly mode: string | null;
  readonly zxid: string | null;
}

function troublesOf(rows: readonly Row[]): string[] {
  const silent = rows.filter(({ mode }) => mode === null).map(({ server }) => server);
  const modes = rows.map(({ mode }) => mode);
  const leaders = modes.filter((mode) => mode === 'leader').length;
  const isEnsemble = modes.some((mode) => mode === 'leader' || mode === 'follower' || mode === 'observer');
  const zxids = rows.flatMap(({ zxid }) => (zxid === null ? [] : [BigInt(zxid)]));
  const [lowest, highest] = [zxids.reduce(min, zxids[0] ?? 0n), zxids.reduce(max, 0n)];
  return [
    ...(silent.length > 0 ? [`${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not serve`] : []),
    ...(modes.includes('read-only') ? ['there is no quorum'] : []),
    ...(isEnsemble && leaders !== 1
      ? [`${leaders === 0 ? 'no' : leaders} leader${leaders > 1 ? 's' : ''} among them`]
      : []),
    ...(!isEnsemble && rows.length > 1 && silent.length < rows.length ? ['they are not one ensemble'] : []),
    ...(highest - lowest > LAG_MAX ? [`the last is ${highest - lowest} transactions behind`] : []),
  ];
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
