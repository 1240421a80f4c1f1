/** How the programs of `npm run simulate` read their arguments and end. */
import { parseArgs } from 'node:util';

/** What follows a name on the command line: a number of up to fifteen digits, text, or nothing. */
type OptionKind = 'number' | 'text' | 'flag';

/** Null: the option was not given. */
type OptionValue<K extends OptionKind> = K extends 'number'
  ? number | null
  : K extends 'text'
    ? string | null
    : boolean;

export type OptionValues<S extends Readonly<Record<string, OptionKind>>> = {
  readonly [N in keyof S]: OptionValue<S[N]>;
};

/** Reads `--name value` and `--flag`. Throws Error that says what cannot be understood. */
export function readOptions<const S extends Readonly<Record<string, OptionKind>>>(
  args: readonly string[],
  kinds: S,
): OptionValues<S> {
  const names = Object.entries(kinds);
  const options = names.map(([name, kind]) => [name, { type: kind === 'flag' ? 'boolean' : 'string' } as const]);
  const { values } = parseArgs({ args: [...args], options: Object.fromEntries(options) });
  const given = new Map<string, unknown>(Object.entries(values));
  const read = names.map(([name, kind]) => {
    const value = given.get(name);
    if (kind === 'flag') {
      return [name, value === true];
    }
    const text = typeof value === 'string' ? value : null;
    return [name, kind === 'number' && text !== null ? numberIn(name, text) : text];
  });
  return Object.fromEntries(read) as OptionValues<S>;
}

function numberIn(name: string, text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw new Error(`--${name} is a number, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

/**
 * Runs a program. Its exit code: 0 for one that ends with true or only says what its arguments are, 1 for false, 2 for
 * arguments that `read` refuses with an Error.
 */
export async function runProgram<A>(
  usage: string,
  args: readonly string[],
  read: (args: readonly string[]) => A,
  run: (given: A) => boolean | Promise<boolean>,
): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  let given: A;
  try {
    given = read(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  return (await run(given)) ? 0 : 1;
}
