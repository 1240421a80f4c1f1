import type { ShellCommand } from '../shell.ts';

export const addAuth: ShellCommand = {
  name: 'addauth',
  group: 'access',
  summary: 'Say who you are',
  parameters: [
    { name: 'scheme', kind: 'text' },
    { name: 'auth', kind: 'text', optional: true },
  ],
  secret: true,
  examples: ['addauth digest user:password'],
  async run(shell, args) {
    const scheme = args.text('scheme');
    await shell.client.addAuth(scheme, args.optional('auth') ?? '');
    shell.output.show({ scheme }, '');
  },
};
