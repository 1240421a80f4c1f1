import { statJson, statText } from '../format.ts';
import type { ShellCommand } from '../shell.ts';

export const config: ShellCommand = {
  name: 'config',
  group: 'servers',
  summary: "Show the ensemble's configuration",
  parameters: [],
  flags: {
    c: { meaning: 'Only its version and the connect string for clients' },
    w: { meaning: 'Leave a watch that tells the next change' },
    s: { meaning: 'The stat of its node as well' },
  },
  async run(shell, args) {
    const watch = args.has('w') ? { watch: shell.onDataWatch } : {};
    const { text, version, clientAddresses, stat } = await shell.client.getConfig({ signal: shell.signal, ...watch });
    const shown = args.has('c') ? `${version?.toString(16) ?? ''} ${clientAddresses.join(',')}` : text;
    const versionText = version === null ? null : version.toString(16);
    shell.output.show(
      { version: versionText, clients: clientAddresses, text, ...(args.has('s') && { stat: statJson(stat) }) },
      args.has('s') ? `${shown}\n${statText(stat)}` : shown,
    );
  },
};
