/** The conversations in the pages, typed again: what comes back is what they show. */
import { startServer } from '@treekeeper/testing';
import { describe, expect, test } from 'vitest';
import { EXIT } from '../../src/commands/shell/explain.ts';
import { COMMANDS } from '../../src/commands/shell/table.ts';
import { blocksIn, page } from '../support/pages.ts';
import { runShell } from '../support/shell.ts';

const PROMPT = /^127\.0\.0\.1:2181 \/\S*> /;

describe.each(blocksIn('shell').map((block) => [block.page, block.text]))('%s', (_page, text) => {
  test('shows what the shell answers', async () => {
    const lines = text.trimEnd().split('\n');
    const typed = lines.filter((line) => PROMPT.test(line)).map((line) => line.replace(PROMPT, ''));
    expect(typed.length).toBeGreaterThan(2);
    // In a terminal both outputs are one.
    let screen = '';
    const print = (piece: string): void => {
      screen += piece;
    };
    await using server = await startServer();
    const args = ['-s', server.connectString, '--keep-going'];
    await runShell(args, { input: typed.join('\n'), onOutput: print, onError: print });
    const shown = lines.filter((line) => !PROMPT.test(line));
    const masked = (line: string): string => line.replace(/ zxid: \d+$/, ' zxid: N');
    expect(screen.trimEnd().split('\n').map(masked)).toEqual(shown.map(masked));
  });

  test('has prompts that say where one is', () => {
    let cwd = '/';
    for (const line of text.split('\n').filter((candidate) => PROMPT.test(candidate))) {
      expect(line).toContain(`127.0.0.1:2181 ${cwd}> `);
      const [, path] = /> cd (\S+)/.exec(line) ?? [];
      cwd = path ?? cwd;
    }
  });
});

test('the guide names every command, and its exit codes are ours', () => {
  const { text } = page('docs/guides/shell.md');
  const rows = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(rows).toEqual(Object.values(EXIT));
  const words = COMMANDS.filter(({ group }) => group !== 'servers').map(({ name }) => name);
  const notShown = new Set(['cd', 'pwd']);
  expect(words.filter((name) => !notShown.has(name) && !text.includes(`\`${name}`))).toEqual([]);
});
