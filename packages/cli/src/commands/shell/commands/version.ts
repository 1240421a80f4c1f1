import { ownVersion } from '../../../version.ts';
import type { ShellCommand } from '../shell.ts';

export const version: ShellCommand = {
  name: 'version',
  group: 'shell',
  summary: 'Show the version of this shell',
  parameters: [],
  needsSession: false,
  async run(shell) {
    const treekeeper = ownVersion();
    shell.output.show(
      { treekeeper, node: process.version },
      `Treekeeper CLI version: ${treekeeper}, Node ${process.version}`,
    );
  },
};
