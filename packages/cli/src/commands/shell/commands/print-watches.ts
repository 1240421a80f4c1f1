import type { ShellCommand } from '../shell.ts';

export const printWatches: ShellCommand = {
  name: 'printwatches',
  group: 'watches',
  summary: 'Print the events of watches, or not',
  parameters: [{ name: 'on|off', kind: 'text', optional: true, choices: ['on', 'off'] }],
  needsSession: false,
  async run(shell, args) {
    const choice = args.optional('on|off');
    if (choice !== undefined) {
      shell.printsWatches = choice === 'on';
    }
    const state = shell.printsWatches ? 'on' : 'off';
    shell.output.show({ printwatches: state }, choice === undefined ? `printwatches is ${state}` : '');
  },
};
