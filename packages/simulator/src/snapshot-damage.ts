/** Damage that a server must get over: the newest snapshot is spoilt, an older one and the logs after it are there. */
import type { Dice } from './dice.ts';
import type { SimulatedDisk } from './disk.ts';

function zxidsOf(disk: SimulatedDisk, prefix: 'log' | 'snapshot'): { name: string; zxid: number }[] {
  return disk
    .list(prefix === 'log' ? 'log' : 'data')
    .filter(({ name, sizeBytes }) => name.startsWith(`${prefix}.`) && sizeBytes > 0)
    .map(({ name }) => ({ name, zxid: Number.parseInt(name.split('.')[1], 16) }))
    .sort((a, b) => a.zxid - b.zxid);
}

/** Flips a bit in the newest snapshot and returns its name; null if the server could not do without it. */
export function damageNewestSnapshot(
  disk: SimulatedDisk,
  dice: Dice,
  alreadyDamaged: ReadonlySet<string>,
): string | null {
  const snapshots = zxidsOf(disk, 'snapshot');
  const newest = snapshots.at(-1);
  const spare = snapshots.at(-2);
  const hasDamage = snapshots.some(({ name }) => alreadyDamaged.has(name));
  if (newest === undefined || spare === undefined || hasDamage) {
    return null;
  }
  const logs = zxidsOf(disk, 'log');
  const hasLogs = logs.some(({ zxid }) => zxid <= spare.zxid + 1) || (logs.length === 0 && newest.zxid === spare.zxid);
  if (!hasLogs) {
    return null;
  }
  const { length } = disk.get('data', newest.name);
  disk.damage('data', newest.name, dice.below(length), 1 << dice.below(8));
  return newest.name;
}
