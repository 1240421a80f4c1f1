/** A line cut into words, in zkCli's way: quotes count where a word begins, and nothing is special within them. */
import { UsageError } from '../../terminal.ts';

export interface Token {
  readonly text: string;
  /** Where the word begins in the line, its quote included. */
  readonly start: number;
  /** Its quote, '' without one. */
  readonly quote: string;
  /** Whether the quote was closed; true without one. */
  readonly closed: boolean;
}

/** All words; the last may have an open quote. */
export function tokenize(line: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:"([^"]*)("?)|'([^']*)('?)|(\S+))/gy;
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    const [whole, double, doubleEnd, single, singleEnd, plain] = match;
    const start = match.index + whole.length - whole.trimStart().length;
    if (plain !== undefined) {
      tokens.push({ text: plain, start, quote: '', closed: true });
    } else {
      const quote = double === undefined ? "'" : '"';
      tokens.push({ text: double ?? single, start, quote, closed: (doubleEnd ?? singleEnd) !== '' });
    }
  }
  return tokens;
}

/** @throws UsageError when a quote is not closed */
export function words(line: string): string[] {
  const tokens = tokenize(line);
  const open = tokens.find(({ closed }) => !closed);
  if (open !== undefined) {
    throw new UsageError(`the quote ${open.quote} at column ${open.start + 1} is not closed`);
  }
  return tokens.map(({ text }) => text);
}

/** As one would type it. */
export function quoted(word: string): string {
  if (word !== '' && !/^["']|\s/.test(word)) {
    return word;
  }
  return word.includes('"') ? `'${word}'` : `"${word}"`;
}
