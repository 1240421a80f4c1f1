/**
 * A zxid names a transaction: epoch in the high 32 bits, counter in the low 32.
 *
 * On the wire and at public boundaries it is a bigint. Inside the server it is a number, which is exact up to 2^53,
 * that is for epochs below 2^21: two million elections (docs/decisions/0004-zxid-as-number.md). `zxidNumber` refuses
 * others.
 */
const TWO_32 = 4294967296;

/** Epochs from here on do not fit the number form. */
export const EPOCH_LIMIT = 2 ** 21;

/** The number form of a zxid; throws RangeError where it would lose bits. */
export function zxidNumber(zxid: bigint): number {
  const number = Number(zxid);
  if (!Number.isSafeInteger(number)) {
    throw new RangeError(`zxid ${zxidHex(zxid)} has an epoch of ${EPOCH_LIMIT} or more`);
  }
  return number;
}

export function makeZxid(epoch: number, counter: number): number {
  return epoch * TWO_32 + counter;
}

export function epochOf(zxid: number): number {
  return Math.floor(zxid / TWO_32);
}

export function counterOf(zxid: number): number {
  return zxid >>> 0;
}

/** Lower case hex without leading zeros or prefix, as in file names and `srvr`. */
export function zxidHex(zxid: number | bigint): string {
  return BigInt.asUintN(64, BigInt(zxid)).toString(16);
}
