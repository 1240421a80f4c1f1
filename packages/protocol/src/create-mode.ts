/** Create modes by their number on the wire (client-protocol.md §5.1). */
export const CreateMode = {
  persistent: 0,
  ephemeral: 1,
  persistentSequential: 2,
  ephemeralSequential: 3,
  container: 4,
  persistentWithTtl: 5,
  persistentSequentialWithTtl: 6,
} as const;

export const CREATE_MODE_MAX = 6;

export function isEphemeralMode(flags: number): boolean {
  return flags === CreateMode.ephemeral || flags === CreateMode.ephemeralSequential;
}

export function isSequentialMode(flags: number): boolean {
  return (
    flags === CreateMode.persistentSequential ||
    flags === CreateMode.ephemeralSequential ||
    flags === CreateMode.persistentSequentialWithTtl
  );
}

export function isTtlMode(flags: number): boolean {
  return flags === CreateMode.persistentWithTtl || flags === CreateMode.persistentSequentialWithTtl;
}

/** The longest time to live, ms: 2^40 − 1. */
export const TTL_MS_MAX = 1099511627775n;

/** The ephemeralOwner that marks a container node. */
export const CONTAINER_OWNER = -0x8000000000000000n;

const TTL_MARK = 0xffn << 56n;
const TTL_VALUE_MASK = (1n << 40n) - 1n;

/** The ephemeralOwner that marks a TTL node: top byte ff, feature bits 0, ttl in the low 40 bits. */
export function ttlOwner(ttlMs: bigint): bigint {
  return BigInt.asIntN(64, TTL_MARK | ttlMs);
}

export type OwnerKind = 'persistent' | 'ephemeral' | 'container' | 'ttl';

/** How stored owners are read: TTL nodes exist only with extended types on (client-protocol.md §5.2). */
export interface OwnerRules {
  readonly extendedTypesEnabled: boolean;
  readonly emulate353TtlNodes: boolean;
}

/**
 * What kind of node a stored ephemeralOwner stands for. With extended types on, Java refuses an owner that begins with
 * ff and has feature bits set; no server can have made one (its id would be 255), and here it reads as a session.
 */
export function ownerKind(owner: bigint, rules: OwnerRules): OwnerKind {
  if (owner === 0n) {
    return 'persistent';
  }
  if (owner === CONTAINER_OWNER) {
    return 'container';
  }
  if (rules.extendedTypesEnabled && owner < 0n) {
    if (BigInt.asUintN(64, owner) >> 40n === 0xff0000n || rules.emulate353TtlNodes) {
      return 'ttl';
    }
  }
  return 'ephemeral';
}

/** The time to live, ms, of a TTL node's owner. */
export function ttlOfOwner(owner: bigint): number {
  return Number(owner & TTL_VALUE_MASK);
}
