/** The fuzzer can fail, and says with what. */
import { JuteError } from '@treekeeper/protocol';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../src/host/node-random.ts';
import { encodeNotification, readNotification } from '../../src/zab/vote.ts';
import { configurationOf } from '../zab/support.ts';
import { Found, replay } from './fuzzer.ts';
import { Mutator } from './mutate.ts';

const whole = encodeNotification(0, { leader: 3, zxid: 5, peerEpoch: 1 }, 7, configurationOf([1, 2, 3]).text);

test('what is thrown and was not to be is found, with the input that does it', async () => {
  let input: Uint8Array | null = null;
  const target = {
    name: 'planted',
    seeds: () => [whole],
    run: (bytes: Uint8Array) => {
      input = bytes;
      readNotification(2, bytes); // whoever calls it must expect JuteError
    },
  };
  const found = await replay(target, 1, 2000).catch((error: unknown) => error);
  expect(found).toBeInstanceOf(Found);
  expect((found as Found).cause).toBeInstanceOf(JuteError);
  expect((found as Found).message).toContain(Buffer.from(input ?? []).toString('base64'));
});

test('the same seed makes the same inputs, and they differ from each other', () => {
  const made = (seed: number): string[] => {
    const mutator = new Mutator(new SeededRandom(seed));
    return Array.from({ length: 200 }, () => Buffer.from(mutator.mutate([whole])).toString('base64'));
  };
  expect(made(1)).toEqual(made(1));
  expect(made(2)).not.toEqual(made(1));
  expect(new Set(made(1)).size).toBeGreaterThan(100);
});
