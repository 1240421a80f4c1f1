import type { ShellCommand } from '../shell.ts';

export const whoAmI: ShellCommand = {
  name: 'whoami',
  group: 'access',
  summary: 'Show who the server takes you for',
  parameters: [],
  async run(shell) {
    const identities = await shell.client.whoAmI({ signal: shell.signal });
    const lines = identities.map(({ authScheme, user }) => `${authScheme}: ${user}`);
    shell.output.show(
      identities.map(({ authScheme, user }) => ({ scheme: authScheme, user })),
      ['Auth scheme: User', ...lines].join('\n'),
    );
  },
};
