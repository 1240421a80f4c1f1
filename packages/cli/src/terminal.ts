/** Where a command writes, and what it knows of its surroundings. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether what goes to `err` may be coloured. */
  readonly colour: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A command: it takes its arguments and answers with the exit code. */
export type Command = (args: readonly string[], terminal: Terminal) => Promise<number>;

/** The arguments are not what the command takes: the message says why. Ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const COLOURS = { red: 31, yellow: 33 } as const;

/** `label: text` on the error output, the label in colour on a terminal. */
export function complain(terminal: Terminal, colour: keyof typeof COLOURS, label: string, text: string): void {
  const shown = terminal.colour ? `\u001b[${COLOURS[colour]}m${label}\u001b[0m` : label;
  terminal.err(`${shown}: ${text}\n`);
}
