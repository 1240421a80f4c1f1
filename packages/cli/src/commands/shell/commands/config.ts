import type { ShellCommand } from '../command.ts';
import { statJson, statText } from '../format.ts';

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
    const watch = args.has('w') ? { watch: shell.onWatchEvent } : {};
    const { text, version, stat } = await shell.client.getConfig({ signal: shell.signal, ...watch });
    const hosts = clientHosts(text);
    const shown = args.has('c') ? `${version?.toString(16) ?? ''} ${hosts.join(',')}` : text;
    const versionText = version === null ? null : version.toString(16);
    shell.output.show(
      { version: versionText, clients: hosts, text, ...(args.has('s') && { stat: statJson(stat) }) },
      args.has('s') ? `${shown}\n${statText(stat)}` : shown,
    );
  },
};

/** `host:port` of the client ports in `server.N=host:quorum:election[:role];[host:]port` lines. */
function clientHosts(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, host, client] = /^server\.\d+=([^:]+):[^;]*;([^;]+)/.exec(line.trim()) ?? [];
    if (host === undefined) {
      return [];
    }
    const port = client.slice(client.lastIndexOf(':') + 1);
    const address = client.includes(':') ? client.slice(0, client.lastIndexOf(':')) : '';
    return [`${address === '' || address === '0.0.0.0' ? host : address}:${port}`];
  });
}
