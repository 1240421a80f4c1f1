/**
 * Whether the numbers of sequential nodes rise in real time: who asks later gets a higher one. Neither zxids nor the
 * search for an order are needed for this, so that it does not depend on either.
 */
import type { AppendCall, History } from './history.ts';
import { told, type Violation } from './judge.ts';

const NUMBER_DIGITS = 10;

function numberOf({ path }: AppendCall): number {
  return Number(path.slice(-NUMBER_DIGITS));
}

/** All nodes have one parent. */
export function judgeSequences({ calls }: History): Violation[] {
  const done = calls.filter((call): call is AppendCall => call.kind === 'append' && call.outcome === 'done');
  const byEnd = [...done].sort((a, b) => a.ended - b.ended);
  const violations: Violation[] = [];
  const makers = new Map<number, AppendCall>();
  let highest: AppendCall | null = null;
  let at = 0;
  // Calls are in the order in which they began.
  for (const call of done) {
    for (; at < byEnd.length && byEnd[at].ended < call.began; at++) {
      if (highest === null || numberOf(byEnd[at]) > numberOf(highest)) {
        highest = byEnd[at];
      }
    }
    if (highest !== null && numberOf(call) < numberOf(highest)) {
      violations.push({
        kind: 'number',
        text: `a later call has a lower number: ${told(call)} after ${told(highest)}`,
      });
    }
    const other = makers.get(numberOf(call));
    if (other !== undefined) {
      violations.push({ kind: 'number', text: `one number for two: ${told(call)}, ${told(other)}` });
    }
    makers.set(numberOf(call), call);
  }
  return violations;
}
