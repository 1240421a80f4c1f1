/** What Tab may put behind the cursor: commands, flags and their values, nodes, files. */
import { readdir } from 'node:fs/promises';
import { dashed, type Parameter } from './command.ts';
import { joinPath } from './paths.ts';
import { findCommand } from './run.ts';
import type { Shell, ShellCommand } from './shell.ts';
import { tokenize } from './tokens.ts';

/** A server that does not answer must not hold up who types. */
const ANSWER_MS_MAX = 2000;

/** As readline wants it: whole words that fit, and the part of the line that they replace. */
export type Completion = [fits: string[], replaced: string];

export async function complete(shell: Shell, line: string): Promise<Completion> {
  const tokens = tokenize(line);
  const last = tokens.at(-1);
  const isNew = last === undefined || (/\s$/.test(line) && last.closed);
  const before = (isNew ? tokens : tokens.slice(0, -1)).map(({ text }) => text);
  const word = isNew ? '' : (last?.text ?? '');
  const quote = isNew ? '' : (last?.quote ?? '');
  const fits = await candidates(shell, before, word).catch(() => []);
  return [fits.map((fit) => ended(fit, quote)), quote + word];
}

/** With its quote, and a blank behind it unless it may go on; a blank within needs quotes. */
function ended(fit: string, quote: string): string {
  const mark = quote === '' && fit.includes(' ') ? '"' : quote;
  const goesOn = fit.endsWith('/') || fit.endsWith('=');
  return goesOn ? mark + fit : `${mark}${fit}${mark} `;
}

async function candidates(shell: Shell, before: readonly string[], word: string): Promise<string[]> {
  if (before.length === 0) {
    const names = shell.commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    return starting(names, word).sort();
  }
  const command = findCommand(shell.commands, before[0]);
  if (command === undefined) {
    return [];
  }
  if (command.name === 'help') {
    return starting(
      shell.commands.map(({ name }) => name),
      word,
    );
  }
  if (word.startsWith('-')) {
    return starting(Object.keys(command.flags ?? {}).map(dashed), word);
  }
  const flag = command.flags?.[before.at(-1)?.replace(/^--?/, '') ?? ''];
  if (before.length > 1 && before.at(-1)?.startsWith('-') && flag?.value !== undefined) {
    return flag.choices !== undefined ? starting(flag.choices, word) : flag.value === 'file' ? files(word) : [];
  }
  return forParameter(shell, parameterAt(command, before), word);
}

/** The parameter that the next word is for. */
function parameterAt({ parameters, flags = {} }: ShellCommand, before: readonly string[]): Parameter | undefined {
  let count = 0;
  for (let i = 1; i < before.length; i++) {
    if (before[i].startsWith('-')) {
      i += flags[before[i].replace(/^--?/, '')]?.value === undefined ? 0 : 1;
    } else {
      count++;
    }
  }
  return parameters[count];
}

async function forParameter(shell: Shell, parameter: Parameter | undefined, word: string): Promise<string[]> {
  if (parameter?.choices !== undefined) {
    return starting(parameter.choices, word);
  }
  switch (parameter?.kind) {
    case 'path':
      return nodes(shell, word);
    case 'new-path':
      return (await nodes(shell, word)).map((path) => path.replace(/\/?$/, '/'));
    case 'location':
      return word.startsWith('file:')
        ? (await files(word.slice('file:'.length))).map((file) => `file:${file}`)
        : [...(await nodes(shell, word)), ...starting(['file:', 'zk://'], word === '' ? '-' : word)];
    case 'file':
      return files(word);
    default:
      return [];
  }
}

/** Children of the node that the word names up to its last slash; those with children of their own end in one. */
async function nodes(shell: Shell, word: string): Promise<string[]> {
  const cut = word.lastIndexOf('/') + 1;
  const [directory, start] = [word.slice(0, cut), word.slice(cut)];
  const parent = shell.resolve(directory === '' ? '.' : directory);
  const options = { timeoutMs: ANSWER_MS_MAX, retry: false } as const;
  const names = starting(await shell.client.children(parent, options), start).sort();
  if (names.length !== 1) {
    return names.map((name) => directory + name);
  }
  const stat = await shell.client.exists(joinPath(parent, names[0]), options);
  return [`${directory}${names[0]}${(stat?.numChildren ?? 0) > 0 ? '/' : ''}`];
}

async function files(word: string): Promise<string[]> {
  const cut = word.lastIndexOf('/') + 1;
  const directory = word.slice(0, cut);
  const entries = await readdir(directory === '' ? '.' : directory, { withFileTypes: true });
  const names = entries.map((entry) => `${entry.name}${entry.isDirectory() ? '/' : ''}`);
  return starting(names, word.slice(cut)).map((name) => directory + name);
}

function starting(candidates: readonly string[], start: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(start));
}
