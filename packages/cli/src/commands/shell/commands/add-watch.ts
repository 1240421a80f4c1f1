import type { Watch } from '@treekeeper/client';
import type { Shell, ShellCommand } from '../shell.ts';

const MODES = ['PERSISTENT', 'PERSISTENT_RECURSIVE'] as const;

export const addWatch: ShellCommand = {
  name: 'addWatch',
  group: 'watches',
  summary: 'Tell every change of a node (and of all below it) from now on, between commands',
  parameters: [{ name: 'path', kind: 'path' }],
  flags: { m: { value: 'mode', choices: MODES, meaning: `${MODES.join(' or ')}; the latter without it` } },
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const mode = args.flag('m') ?? 'PERSISTENT_RECURSIVE';
    const key = `${mode} ${path}`;
    const watch = shell.client.watch(path, { recursive: mode === 'PERSISTENT_RECURSIVE', signal: shell.signal });
    await watch.ready;
    shell.watches.set(key, watch);
    follow(shell, key, watch);
    shell.output.show({ path, mode }, '');
  },
};

/** Prints its events until it ends; a session that ends is told by the next command. */
function follow(shell: Shell, key: string, watch: Watch): void {
  const run = async (): Promise<void> => {
    for await (const event of watch) {
      shell.tellEvent(event, 'persistent');
    }
  };
  const forget = (): void => {
    if (shell.watches.get(key) === watch) {
      shell.watches.delete(key);
    }
  };
  run().then(forget, forget);
}
