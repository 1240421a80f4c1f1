/** How a command of the shell is written and explained. */

/** What a positional argument is, which decides how Tab completes it. A `new-path` goes on below what there is. */
export type ParameterKind = 'path' | 'new-path' | 'location' | 'file' | 'text' | 'command';

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly optional?: boolean;
  /** Takes all words that are left. */
  readonly rest?: boolean;
  /** The words that it may be, where these are few. */
  readonly choices?: readonly string[];
}

export interface Flag {
  /** What its value is called in the help; without one the flag takes none. */
  readonly value?: string;
  readonly meaning: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly choices?: readonly string[];
}

/** By their names without dashes; `-name` and `--name` are the same, as in zkCli. */
export type Flags = Readonly<Record<string, Flag>>;

/** Headings of the help, in its order. */
export const GROUPS = ['nodes', 'trees', 'watches', 'access', 'coordination', 'servers', 'shell'] as const;

export interface CommandSyntax {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: (typeof GROUPS)[number];
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  readonly flags?: Flags;
  /** Shown below the flags in the command's help. */
  readonly examples?: readonly string[];
  /** False: works without a session. */
  readonly needsSession?: boolean;
  /** Its line is not kept in the history, since there may be a password in it. */
  readonly secret?: boolean;
}

/** `get [-s] [-w] path`: as zkCli writes it. */
export function usageOf(command: CommandSyntax): string {
  const flags = Object.entries(command.flags ?? {}).map(([name, { value, multiple }]) => {
    const text = value === undefined ? dashed(name) : `${dashed(name)} ${value}`;
    return `[${text}]${multiple ? '...' : ''}`;
  });
  const parameters = command.parameters.map(({ name, kind, optional, rest }) => {
    const text = rest ? `${name}...` : name;
    const shown = kind === 'command' ? `-- ${text}` : text;
    return optional ? `[${shown}]` : shown;
  });
  return [command.name, ...flags, ...parameters].join(' ');
}

/** Names of one letter and those of zkCli have one dash; the others may as well. */
export function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}
