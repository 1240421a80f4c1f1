import { readFileSync } from 'node:fs';

/** Text of a file in test/golden/quorum. */
export function goldenText(name: string): string {
  return readFileSync(new URL(`../golden/quorum/${name}`, import.meta.url), 'utf8');
}
