import { EXIT, ShellError } from '../explain.ts';
import { hex } from '../format.ts';
import { kindOf } from '../node-kind.ts';
import { askAll, isRefused } from '../servers.ts';
import type { ShellCommand } from '../shell.ts';

export const owner: ShellCommand = {
  name: 'owner',
  group: 'servers',
  summary: 'Show whose an ephemeral node is: the session, and where its client is connected from',
  parameters: [{ name: 'path', kind: 'path' }],
  examples: ['owner /workers/worker-0000000001'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const { stat } = await shell.client.get(path, { signal: shell.signal });
    if (kindOf(stat) !== 'ephemeral') {
      throw new ShellError(`${path} is not ephemeral: it belongs to nobody`, null, EXIT.failed);
    }
    const session = hex(stat.ephemeralOwner);
    const answers = await askAll(shell, 'cons');
    const found = answers.flatMap(({ server, text }) =>
      (text ?? '')
        .split('\n')
        .filter((line) => line.includes(`sid=${session},`))
        .map((line) => ({ server, client: /^\s*\/(.*?)\[/.exec(line)?.[1] ?? '' })),
    );
    const [place] = found;
    const value = { path, session, client: place?.client ?? null, server: place?.server ?? null };
    shell.output.show(
      value,
      place === undefined ? session : `${session} of ${place.client}, connected to ${place.server}`,
    );
    if (place === undefined) {
      const silent = answers.filter((answer) => answer.text === null || isRefused(answer)).map(({ server }) => server);
      const why = silent.length > 0 ? `${silent.join(', ')} did not say` : 'it has no connection now';
      shell.note(
        `where its client is, is not known: ${why}${silent.length > 0 ? ' (4lw.commands.whitelist: cons)' : ''}`,
      );
    }
  },
};
