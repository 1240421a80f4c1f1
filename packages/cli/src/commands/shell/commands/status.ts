import { EXIT, ShellError } from '../explain.ts';
import { counted } from '../format.ts';
import { askAll, srvrFields } from '../servers.ts';
import type { ShellCommand } from '../shell.ts';

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
  const behind = lag(rows.flatMap(({ zxid }) => (zxid === null ? [] : [BigInt(zxid)])));
  return [
    ...(silent.length > 0 ? [`${silent.join(', ')} ${silent.length === 1 ? 'does' : 'do'} not serve`] : []),
    ...(modes.includes('read-only') ? ['there is no quorum'] : []),
    // None is fine: a follower that serves has one, which was not named here.
    ...(leaders > 1 ? [`${leaders} of them lead`] : []),
    ...(!isEnsemble && rows.length > 1 && silent.length < rows.length ? ['they are not one ensemble'] : []),
    ...(behind > LAG_MAX ? [`the last is ${behind} transactions behind`] : []),
  ];
}

/**
 * How many transactions the last is behind the first. Of an earlier epoch is who has nothing of the new one yet, and by
 * how many it is behind cannot be told.
 */
export function lag(zxids: readonly bigint[]): number {
  const epoch = zxids.reduce((highest, zxid) => (zxid >> 32n > highest ? zxid >> 32n : highest), 0n);
  const counters = zxids.filter((zxid) => zxid >> 32n === epoch).map((zxid) => Number(zxid & 0xffffffffn));
  return counters.length === 0 ? 0 : Math.max(...counters) - Math.min(...counters);
}
