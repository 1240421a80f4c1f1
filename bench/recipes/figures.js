/** How figures are made and shown. */
import { readFileSync } from 'node:fs';

/** Of Linux's clock of processor time. */
const MS_PER_TICK = 10;

export function report(what, who, figures) {
  console.log(`${what.padEnd(52)} ${who.padEnd(11)} ${figures}`);
}

/** Of durations in milliseconds. */
export function spread(list) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2);
  return `median ${at(0.5)}  p99 ${at(0.99)}  longest ${at(1)}`;
}

/** User and system time of a process, from Linux. */
export function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}
