import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.ts';
import { fourLetterWord } from '../raw-client.ts';
import type { Side } from './answers.ts';
import { type Pair, UnexpectedDifference } from './pair.ts';

type Normalise = (text: string, side: Side) => string;

const exactly: Normalise = (text) => text;

/** Lines that start with one of these. */
function linesOf(...starts: string[]): Normalise {
  return (text, side) =>
    text
      .split('\n')
      .filter((line) => starts.some((start) => line.startsWith(start)))
      .map((line) => line.replace(/^Zxid: 0x([0-9a-f]+)$/, (_all, hex: string) => `Zxid: ${canonical(side, hex)}`))
      .join('\n');
}

function canonical(side: Side, hex: string): bigint {
  return side.canonicalZxid(BigInt(`0x${hex}`));
}

/** Blocks of a headline and its indented lines, in any order on the wire: session ids by name, all sorted. */
const blocks: Normalise = (text, side) => {
  const named = text.replace(/0x[0-9a-f]+/g, (id) => side.sessionName(BigInt.asIntN(64, BigInt(id))));
  return named
    .split(/\n(?!\t)/)
    .map((block) => {
      const [head, ...rest] = block.split('\n');
      return [head, ...rest.sort()].join('\n');
    })
    .sort()
    .join('\n');
};

/** Apache also names sessions that had something once. */
function withoutEmpty(text: string): string {
  return text.replaceAll(/^0x[0-9a-f]+:?\n(?!\t)/gm, '');
}

/** The ephemerals in `dump`: the rest of it is about time. */
const ephemerals: Normalise = (text, side) => {
  const listed = /Sessions with Ephemerals \(\d+\):\n((?:0x.*\n(?:\t.*\n)*)*)/.exec(text)?.[1];
  return listed === undefined ? 'no ephemerals' : blocks(withoutEmpty(listed), side);
};

const compared: readonly (readonly [word: string, normalise: Normalise])[] = [
  ['ruok', exactly],
  ['ruok\n', exactly],
  ['isro', exactly],
  ['crst', exactly],
  ['srst', exactly],
  ['gtmk', exactly],
  ['zzzz', exactly],
  ['wchs', (text) => text.replace(/^\d+ connections/, 'connections')],
  ['wchc', (text, side) => blocks(withoutEmpty(text), side)],
  ['wchp', blocks],
  ['dump', ephemerals],
  ['srvr', linesOf('Zxid', 'Mode', 'Node count', 'Outstanding')],
  [
    'conf',
    linesOf('tickTime', 'maxClient', 'minSession', 'maxSession', 'secureClientPort', 'clientPortListen', 'serverId'),
  ],
  ['mntr', linesOf('zk_server_state', 'zk_znode_count', 'zk_ephemerals_count')],
];
const ATTEMPTS = 40;

/** Asks both servers the same word; a connection of ours that went may take a moment to be noticed. */
export async function compareWords(pair: Pair, portA: number, portB: number, random: Random): Promise<void> {
  const [word, normalise] = random.pick(compared);
  let answers: [string, string] = ['', ''];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [a, b] = await Promise.all([fourLetterWord(portA, word), fourLetterWord(portB, word)]);
    answers = [normalise(a, pair.sideA), normalise(b, pair.sideB)];
    if (answers[0] === answers[1]) {
      pair.compared++;
      return;
    }
    await sleep(25);
  }
  throw new UnexpectedDifference(`word ${word.trim()}`, `${word}\n  A: ${answers[0]}\n  B: ${answers[1]}`);
}
