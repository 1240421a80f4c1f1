import type { ShellCommand } from '../shell.ts';

const SHOWN_MAX = 11;

export const history: ShellCommand = {
  name: 'history',
  group: 'shell',
  summary: `Show the last ${SHOWN_MAX} commands with their numbers`,
  parameters: [],
  needsSession: false,
  async run(shell) {
    const { own } = shell.history;
    const first = Math.max(0, own.length - SHOWN_MAX);
    const shown = own.slice(first).map((line, i) => ({ number: first + i, command: line }));
    shell.output.show(shown, shown.map(({ number, command }) => `${number} - ${command}`).join('\n'));
  },
};
