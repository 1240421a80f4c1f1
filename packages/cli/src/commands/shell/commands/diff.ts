import { EXIT, ShellError } from '../explain.ts';
import { dataText } from '../format.ts';
import { type Colour, paint } from '../io.ts';
import { type Entries, sameData } from '../locations/location.ts';
import { missing } from '../locations/missing.ts';
import { openLocation } from '../locations/open.ts';
import type { ShellCommand } from '../shell.ts';

const SHOWN_CHARACTERS_MAX = 60;

interface Difference {
  readonly sign: '-' | '+' | '~';
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

const COLOURS: Readonly<Record<Difference['sign'], Colour>> = { '-': 'red', '+': 'green', '~': 'yellow' };

export const diff: ShellCommand = {
  name: 'diff',
  group: 'trees',
  summary: 'Compare two trees; exit code 1 if they differ',
  parameters: [
    { name: 'one', kind: 'location' },
    { name: 'other', kind: 'location' },
  ],
  flags: { q: { meaning: 'Only whether they differ, and in how many nodes' } },
  examples: ['diff /app zk://other:2181/app', 'diff file:app.json /app'],
  async run(shell, args) {
    const [oneName, otherName] = [args.text('one'), args.text('other')];
    await using one = await openLocation(shell, oneName);
    await using other = await openLocation(shell, otherName);
    const options = { recursive: true, acls: false };
    const [a, b] = [await one.read(options), await other.read(options)];
    if (a === null || b === null) {
      throw a === null ? missing(one, oneName) : missing(other, otherName);
    }
    const differences = compare(a, b);
    if (args.has('q')) {
      shell.output.show(
        { differences: differences.length },
        differences.length === 0 ? 'same' : `${differences.length}`,
      );
    } else {
      const lines = differences.map((difference) => {
        const { sign, before, after } = difference;
        const path = difference.path === '' ? '.' : difference.path;
        const text = sign === '~' ? `${path}: ${before} -> ${after}` : `${path}: ${before ?? after}`;
        return paint(shell.output.colour, COLOURS[sign], `${sign} ${text}`);
      });
      shell.output.show(
        differences.map(({ sign, path, before, after }) => ({ sign, path, before, after })),
        lines.join('\n'),
      );
    }
    if (differences.length > 0) {
      throw new ShellError('', null, EXIT.failed);
    }
  },
};

function compare(a: Entries, b: Entries): Difference[] {
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort();
  return paths.flatMap((path): Difference[] => {
    const [one, other] = [a.get(path), b.get(path)];
    if (one !== undefined && other !== undefined && sameData(one.data, other.data)) {
      return [];
    }
    const before = one === undefined ? null : shown(one.data);
    const after = other === undefined ? null : shown(other.data);
    return [{ sign: one === undefined ? '+' : other === undefined ? '-' : '~', path, before, after }];
  });
}

function shown(data: Uint8Array | null): string {
  const text = data === null ? '""' : JSON.stringify(dataText(data));
  return text.length > SHOWN_CHARACTERS_MAX
    ? `${text.slice(0, SHOWN_CHARACTERS_MAX - 1)}… (${data?.length} bytes)`
    : text;
}
