/** Data of a node as commands are given them: a word, base64, a file, or standard input. */
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { UsageError } from '../../terminal.ts';
import type { Arguments } from './arguments.ts';
import type { Shell } from './shell.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * What `data`, -b and -f say. Without any of them: null if they may be left out.
 *
 * @throws UsageError
 */
export async function dataOf(shell: Shell, args: Arguments, need: 'required' | 'optional'): Promise<Uint8Array | null> {
  const word = args.optional('data');
  const file = args.flag('f');
  if (file !== undefined) {
    if (word !== undefined) {
      throw new UsageError('the data come from -f; there are others on the line');
    }
    return file === '-' ? await buffer(addAbortSignal(shell.signal, shell.io.input)) : await readFile(file);
  }
  if (word === undefined) {
    if (need === 'required') {
      throw new UsageError('data are missing; "" sets empty ones');
    }
    return null;
  }
  if (!args.has('b')) {
    return Buffer.from(word);
  }
  if (!BASE64.test(word)) {
    throw new UsageError(`-b: '${word}' is not base64`);
  }
  return Buffer.from(word, 'base64');
}
