import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isTreekeeperError } from '@treekeeper/client';
import { ShellError } from '../explain.ts';
import { statJson } from '../format.ts';
import { nameOf } from '../paths.ts';
import type { ShellCommand } from '../shell.ts';
import { quoted } from '../tokens.ts';

export const edit: ShellCommand = {
  name: 'edit',
  group: 'nodes',
  summary: 'Change the data of a node in your editor; refused if somebody else has changed them meanwhile',
  parameters: [{ name: 'path', kind: 'path' }],
  examples: ['edit /config/app.yaml'],
  async run(shell, args) {
    const path = shell.resolve(args.text('path'));
    const before = await shell.client.get(path, { signal: shell.signal });
    const directory = await mkdtemp(join(tmpdir(), 'treekeeper-edit-'));
    // The name tells the editor what is in it.
    const file = join(directory, nameOf(path).replaceAll(/[^\w.-]/g, '_') || 'root');
    await writeFile(file, before.value, { mode: 0o600 });
    const editor = shell.io.env['VISUAL'] || shell.io.env['EDITOR'] || 'vi';
    const trouble = await shell.lendTerminal(() => runEditor(editor, file));
    const after = await readFile(file);
    if (after.equals(before.value)) {
      await rm(directory, { recursive: true });
      if (trouble !== null) {
        throw new ShellError(`${trouble}; nothing was written`);
      }
      shell.output.show({ path, changed: false }, `${path} is unchanged`);
      return;
    }
    if (trouble !== null) {
      const hint = `set ${quoted(path)} -f ${file} writes it`;
      throw new ShellError(`${trouble}; nothing was written, your text is in ${file}`, hint);
    }
    try {
      const stat = await shell.client.set(path, after, { version: before.stat.version });
      await rm(directory, { recursive: true });
      shell.output.show({ path, changed: true, stat: statJson(stat) }, `${path} has version ${stat.version} now`);
    } catch (error) {
      if (isTreekeeperError(error, 'BAD_VERSION')) {
        throw new ShellError(
          `${path} was changed by somebody else while you edited it: your text is in ${file}`,
          `look at get ${quoted(path)}; set ${quoted(path)} -f ${file} writes yours over it`,
        );
      }
      const reason = error instanceof Error ? error.message : String(error);
      throw new ShellError(`${reason}\nyour text is in ${file}`);
    }
  },
};

/** EDITOR may have arguments: the system's shell knows how to cut them. Answers what went wrong, or null. */
async function runEditor(editor: string, file: string): Promise<string | null> {
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], { stdio: 'inherit' });
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(`the editor (${editor}) did not start: ${message}`));
    child.once('close', (code, signal) => {
      const how = code === null ? `by ${signal}` : `with code ${code}`;
      resolve(code === 0 ? null : `the editor (${editor}) ended ${how}`);
    });
  });
}
