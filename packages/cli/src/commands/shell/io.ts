/** The streams of a shell, and what may be done with them. */
import type { Readable } from 'node:stream';
import { endWithReader } from '../../end-with-reader.ts';
import type { Terminal } from '../../terminal.ts';

export interface ShellIo extends Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  /** For line editing; its `columns` change with the window. */
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** Whether what goes to `out` may be coloured; `colour` says it of `err`. */
  readonly outColour: boolean;
  /** Whether somebody is looking at `err`, for progress bars. */
  readonly errIsTerminal: boolean;
}

/** The process's own streams. A reader that goes away (`| head`) ends the shell without a word. */
export function processIo(terminal: Terminal): ShellIo {
  const { stdin, stdout, stderr } = process;
  endWithReader();
  return {
    ...terminal,
    input: stdin,
    output: stdout,
    outColour: stdout.isTTY === true && !terminal.env['NO_COLOR'] && terminal.env['TERM'] !== 'dumb',
    errIsTerminal: stderr.isTTY === true && terminal.env['TERM'] !== 'dumb',
  };
}

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 } as const;
export type Colour = keyof typeof CODES;

/** The text in colour, if there may be any. */
export function paint(allowed: boolean, colour: Colour, text: string): string {
  return allowed && text !== '' ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
}
