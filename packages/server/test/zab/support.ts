import { readFileSync } from 'node:fs';
import type { Log } from '../../src/io/log.ts';
import { Configuration } from '../../src/zab/configuration.ts';

/** Text of a file in test/golden/quorum. */
export function goldenText(name: string): string {
  return readFileSync(new URL(`../golden/quorum/${name}`, import.meta.url), 'utf8');
}

/** A configuration of participants and observers with made-up addresses. */
export function configurationOf(
  participants: readonly number[],
  observers: readonly number[] = [],
  version = 0,
): Configuration {
  const lines = [
    ...participants.map((id) => `server.${id}=s${id}:2888:3888:participant`),
    ...observers.map((id) => `server.${id}=s${id}:2888:3888:observer`),
    `version=${version.toString(16)}`,
  ];
  return Configuration.parse(lines.join('\n'));
}

export const SILENT: Log = { info: () => {}, warn: () => {}, error: () => {} };
