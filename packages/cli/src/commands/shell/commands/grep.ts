import { UsageError } from '../../../terminal.ts';
import { EXIT, ShellError } from '../explain.ts';
import { utf8OrNull } from '../format.ts';
import { paint } from '../io.ts';
import type { ShellCommand } from '../shell.ts';
import { flat, type WalkedNode, walk } from '../walk.ts';

export const grep: ShellCommand = {
  name: 'grep',
  group: 'trees',
  summary: 'Search the data of all nodes below one; exit code 1 if nothing is found',
  parameters: [
    { name: 'pattern', kind: 'text' },
    { name: 'path', kind: 'path', optional: true },
  ],
  flags: {
    i: { meaning: 'Upper and lower case are the same' },
    F: { meaning: 'The pattern is a text, not a regular expression' },
    l: { meaning: 'Only the paths' },
  },
  examples: ['grep -i timeout /config', 'grep "port=2[0-9]+"'],
  async run(shell, args) {
    const pattern = patternOf(args.text('pattern'), args.has('F'), args.has('i'));
    const top = shell.resolve(args.optional('path') ?? '.');
    const root = await walk(shell, top, { data: true });
    const found = [...flat(root)].flatMap((node) => matches(node, pattern));
    if (args.has('l')) {
      const paths = [...new Set(found.map(({ path }) => path))];
      shell.output.show(paths, paths.join('\n'));
    } else {
      const { colour } = shell.output;
      const lines = found.map(({ path, text }) => {
        const shown = colour ? text.replaceAll(pattern, (part) => paint(true, 'red', part)) : text;
        return `${paint(colour, 'cyan', path)}: ${shown}`;
      });
      shell.output.show(found, lines.join('\n'));
    }
    if (found.length === 0) {
      throw new ShellError('', null, EXIT.failed);
    }
  },
};

function patternOf(text: string, isPlain: boolean, ignoresCase: boolean): RegExp {
  const source = isPlain ? text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&') : text;
  try {
    return new RegExp(source, ignoresCase ? 'gi' : 'g');
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}; -F searches the text as it is`);
  }
}

/** Lines of data that are text. */
function matches({ path, data }: WalkedNode, pattern: RegExp): { path: string; line: number; text: string }[] {
  const text = data === null ? null : utf8OrNull(data);
  return (text?.split('\n') ?? []).flatMap((line, i) =>
    line.search(pattern) >= 0 ? [{ path, line: i + 1, text: line }] : [],
  );
}
