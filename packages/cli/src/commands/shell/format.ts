/** How the shell shows what it has read: as text in zkCli's words, and as plain values for JSON and tables. */
import { type Stat, TreekeeperError } from '@treekeeper/client';

/** What JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | JsonRecord;
export type JsonRecord = { readonly [key: string]: Json };

export function hex(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`;
}

const dateParts = new Intl.DateTimeFormat('en-US', {
  weekday: 'short',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
  year: 'numeric',
});

/** `Sat Nov 21 07:50:13 UTC 2026`, in this machine's time zone. */
export function dateText(ms: number): string {
  const parts = Object.fromEntries(dateParts.formatToParts(ms).map(({ type, value }) => [type, value]));
  const time = `${parts['hour']}:${parts['minute']}:${parts['second']}`;
  return `${parts['weekday']} ${parts['month']} ${parts['day']} ${time} ${parts['timeZoneName']} ${parts['year']}`;
}

/** The lines that zkCli prints of a Stat. */
export function statText(stat: Stat): string {
  return [
    `cZxid = ${hex(stat.czxid)}`,
    `ctime = ${dateText(Number(stat.ctime))}`,
    `mZxid = ${hex(stat.mzxid)}`,
    `mtime = ${dateText(Number(stat.mtime))}`,
    `pZxid = ${hex(stat.pzxid)}`,
    `cversion = ${stat.cversion}`,
    `dataVersion = ${stat.version}`,
    `aclVersion = ${stat.aversion}`,
    `ephemeralOwner = ${hex(stat.ephemeralOwner)}`,
    `dataLength = ${stat.dataLength}`,
    `numChildren = ${stat.numChildren}`,
  ].join('\n');
}

/** Times in milliseconds since 1970; zxids and sessions as zkCli writes them. */
export function statJson(stat: Stat): JsonRecord {
  return {
    cZxid: hex(stat.czxid),
    ctime: Number(stat.ctime),
    mZxid: hex(stat.mzxid),
    mtime: Number(stat.mtime),
    pZxid: hex(stat.pzxid),
    cversion: stat.cversion,
    dataVersion: stat.version,
    aclVersion: stat.aversion,
    ephemeralOwner: hex(stat.ephemeralOwner),
    dataLength: stat.dataLength,
    numChildren: stat.numChildren,
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that the data are; null when they are not UTF-8. */
export function utf8OrNull(data: Uint8Array): string | null {
  try {
    return decoder.decode(data);
  } catch {
    return null;
  }
}

/** As zkCli prints data: `null` for none; what is not UTF-8 shows as replacement characters there, too. */
export function dataText(data: Uint8Array | null): string {
  return data === null ? 'null' : Buffer.from(data).toString('utf8');
}

/** `{ data: 'text' }`, or `{ dataBase64: '...' }` where it is no text. */
export function dataJson(data: Uint8Array | null): JsonRecord {
  if (data === null) {
    return { data: null };
  }
  const text = utf8OrNull(data);
  return text === null ? { dataBase64: Buffer.from(data).toString('base64') } : { data: text };
}

const HEX_BYTES_PER_LINE = 16;

/** Offset, bytes, and what of them is printable. */
export function hexDump(data: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < data.length; at += HEX_BYTES_PER_LINE) {
    const bytes = [...data.subarray(at, at + HEX_BYTES_PER_LINE)];
    const digits = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const shown = bytes.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    const offset = at.toString(16).padStart(8, '0');
    lines.push(`${offset}  ${digits.padEnd(HEX_BYTES_PER_LINE * 3 - 1)}  |${shown}|`);
  }
  return lines.join('\n');
}

/** `1.5 kB`: three digits at most. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `1 node`, `2 nodes`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The short reason of a failure, without the path that stands beside it. */
export function reasonOf(error: unknown): string {
  return error instanceof TreekeeperError ? error.code : error instanceof Error ? error.message : String(error);
}
