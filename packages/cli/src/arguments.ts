import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './terminal.ts';

/** Options of a command, as node:util's parseArgs takes them. */
export type Options = NonNullable<ParseArgsConfig['options']>;

/** What `server` and `config` are told. */
export interface ConfigArguments {
  readonly file: string | undefined;
  /** What followed -D. */
  readonly defines: readonly string[];
  readonly help: boolean;
  /** The command's own options. */
  readonly options: Readonly<Record<string, unknown>>;
}

const CONFIG_OPTIONS: Options = {
  define: { type: 'string', short: 'D', multiple: true },
  help: { type: 'boolean', short: 'h' },
};

/**
 * Parses the arguments of a command that reads a configuration: `[zoo.cfg] [-Dkey=value ...]` and its own options.
 *
 * @throws UsageError
 */
export function parseConfigArguments(args: readonly string[], own: Options = {}): ConfigArguments {
  const { values, positionals } = parse(args, { ...CONFIG_OPTIONS, ...own });
  const { define = [], help = false, ...options } = values as { define?: string[]; help?: boolean };
  if (positionals.length > 1) {
    throw new UsageError(`one zoo.cfg is enough; there are ${positionals.length}: ${positionals.join(' ')}`);
  }
  for (const text of define) {
    if (/^(=|$)/.test(text)) {
      throw new UsageError(`-D${text} names no key; write -Dkey=value`);
    }
  }
  return { file: positionals[0], defines: define, help, options };
}

/** What a command that looks into files is told. */
export interface CommandArguments {
  readonly files: readonly string[];
  readonly help: boolean;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Parses `file ...` and the command's own options.
 *
 * @throws UsageError
 */
export function parseCommand(args: readonly string[], own: Options): CommandArguments {
  const { values, positionals } = parse(args, { help: { type: 'boolean', short: 'h' }, ...own });
  const { help = false, ...options } = values as { help?: boolean };
  return { files: positionals, help, options };
}

function parse(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')) {
      // Node adds how to pass an argument that looks like an option, which nobody wants here.
      throw new UsageError(error.message.split('. ', 1)[0]);
    }
    throw error;
  }
}
