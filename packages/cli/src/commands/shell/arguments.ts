/** The words behind a command, sorted into flags and parameters. */
import { UsageError } from '../../terminal.ts';
import { type CommandSyntax, dashed, type Flag, type Flags, type Parameter, usageOf } from './command.ts';

/** Words as they were given: flags by name, parameters by name. */
export interface ParsedFlags {
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];
  /** What stood behind `--`; null without one. */
  readonly behindDashes: readonly string[] | null;
}

/**
 * Tells flags from other words. `-name` and `--name` are the same; `-sw` is `-s -w`; a value may follow as a word or
 * behind `=`.
 *
 * @param stopsAtWord the first word that is no flag ends them, so that a command may have flags of its own
 * @throws UsageError
 */
export function parseFlags(words: readonly string[], known: Flags, stopsAtWord = false): ParsedFlags {
  const flags = new Map<string, string[]>();
  const rest: string[] = [];
  const add = (name: string, value: string): void => {
    const values = flags.get(name) ?? [];
    if (values.length > 0 && !known[name].multiple && known[name].value !== undefined) {
      throw new UsageError(`${dashed(name)} is given twice`);
    }
    flags.set(name, [...values, value]);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--') {
      return { flags, words: rest, behindDashes: words.slice(i + 1) };
    }
    if (!isFlag(word)) {
      if (stopsAtWord) {
        return { flags, words: words.slice(i), behindDashes: null };
      }
      rest.push(word);
      continue;
    }
    const [, name, inline] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) as RegExpExecArray;
    const flag: Flag | undefined = Object.hasOwn(known, name) ? known[name] : undefined;
    if (flag === undefined && inline === undefined && isCluster(name, known)) {
      for (const letter of name) {
        add(letter, '');
      }
    } else if (flag === undefined) {
      throw new UsageError(`unknown flag ${word}`);
    } else if (flag.value === undefined) {
      if (inline !== undefined) {
        throw new UsageError(`${dashed(name)} takes no value`);
      }
      add(name, '');
    } else {
      const value = inline ?? words[++i];
      if (value === undefined) {
        throw new UsageError(`${dashed(name)} needs a value: ${dashed(name)} ${flag.value}`);
      }
      add(name, value);
    }
  }
  return { flags, words: rest, behindDashes: null };
}

/** `-` alone is standard input, and `-5` a number. */
function isFlag(word: string): boolean {
  return /^--?[^-\d\s=]/.test(word);
}

function isCluster(name: string, known: Flags): boolean {
  return [...name].every((letter) => Object.hasOwn(known, letter) && known[letter].value === undefined);
}

/** The arguments of one command, by the names in its row. */
export class Arguments {
  /** The words that belong to the parameter that takes the rest. */
  readonly rest: readonly string[];
  readonly #values = new Map<string, string>();
  readonly #flags: ReadonlyMap<string, readonly string[]>;

  /** @throws UsageError, with the usage of the command */
  constructor(command: CommandSyntax, words: readonly string[]) {
    try {
      const parsed = parseFlags(words, command.flags ?? {});
      this.#flags = parsed.flags;
      const takesCommand = command.parameters.some(({ kind }) => kind === 'command');
      const given = takesCommand ? parsed.words : [...parsed.words, ...(parsed.behindDashes ?? [])];
      this.rest = this.#assign(command.parameters, given, takesCommand ? (parsed.behindDashes ?? []) : []);
      this.#checkChoices(command);
    } catch (error) {
      if (error instanceof UsageError) {
        throw new UsageError(`${error.message}\nUsage: ${usageOf(command)}`);
      }
      throw error;
    }
  }

  #assign(parameters: readonly Parameter[], words: readonly string[], behindDashes: readonly string[]): string[] {
    let next = 0;
    for (const { name, kind, optional, rest } of parameters) {
      const values = kind === 'command' ? behindDashes : rest ? words.slice(next) : words.slice(next, next + 1);
      if (values.length === 0 && !optional) {
        throw new UsageError(kind === 'command' ? `the command is missing: -- ${name}` : `${name} is missing`);
      }
      if (kind === 'command' || rest) {
        next = kind === 'command' ? next : words.length;
        this.#refuseSurplus(words, next);
        return [...values];
      }
      if (values.length > 0) {
        this.#values.set(name, values[0]);
        next++;
      }
    }
    this.#refuseSurplus(words, next);
    return [];
  }

  #refuseSurplus(words: readonly string[], taken: number): void {
    if (taken < words.length) {
      const hint = words.length - taken > 1 || words[taken].includes(' ') ? '' : '; a text with blanks needs "quotes"';
      throw new UsageError(`too many arguments: ${words.slice(taken).join(' ')}${hint}`);
    }
  }

  #checkChoices({ parameters, flags = {} }: CommandSyntax): void {
    for (const { name, choices } of parameters) {
      this.#checkChoice(name, this.optional(name), choices);
    }
    for (const [name, { choices }] of Object.entries(flags)) {
      this.#checkChoice(dashed(name), this.flag(name), choices);
    }
  }

  #checkChoice(name: string, value: string | undefined, choices: readonly string[] | undefined): void {
    if (value !== undefined && choices !== undefined && !choices.includes(value)) {
      throw new UsageError(`${name} is ${value}; it may be ${choices.join(', ')}`);
    }
  }

  /** A parameter that must be there: it was checked that it is. */
  text(name: string): string {
    return this.#values.get(name) as string;
  }

  optional(name: string): string | undefined {
    return this.#values.get(name);
  }

  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  flag(name: string): string | undefined {
    return this.#flags.get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#flags.get(name) ?? [];
  }

  /** A flag's whole number. @throws UsageError */
  integer(name: string, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
    const text = this.flag(name);
    if (text === undefined) {
      return undefined;
    }
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
      throw new UsageError(`${dashed(name)} ${text}: a whole number ${range} is needed`);
    }
    return value;
  }

  /** The data version that a change wants; -1, which is any, without the flag. */
  get version(): number {
    return this.integer('v', -1, 2 ** 31 - 1) ?? -1;
  }
}
