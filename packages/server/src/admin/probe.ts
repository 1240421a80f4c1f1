/**
 * Four-letter words on the client ports: the first four bytes of a connection, if they are one (client-protocol.md
 * §2.1).
 */
import type { ProbeAnswer } from '../replica/inbound.ts';
import { answerWord, argumentLength, type WordWhitelist, wordOf } from './four-letter.ts';
import type { ServerControl, ServerView } from './view.ts';

/** The answer to the bytes at the beginning of a connection; null when they are no word but a frame. */
export function probeAnswerer(
  whitelist: WordWhitelist,
  view: ServerView,
  control: ServerControl,
): (firstFour: Uint8Array, rest: Uint8Array) => ProbeAnswer | null {
  return (firstFour, rest) => {
    const [a, b, c, d] = firstFour;
    const word = wordOf((a << 24) | (b << 16) | (c << 8) | d);
    if (word === null) {
      return null;
    }
    const needed = argumentLength(word);
    if (rest.length < needed && whitelist.allows(word)) {
      return { needs: needed };
    }
    return { text: answerWord(word, needed > 0 ? rest.subarray(0, needed) : null, whitelist, view, control) ?? '' };
  };
}
