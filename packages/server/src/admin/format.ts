/** Values as ZooKeeper prints them. */

/** A number that prints as floating point even when it is whole. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  /** `0.0`, `1.5592`, `1.0E7`: the shortest digits that give the value back, with an exponent from 10^7 on. */
  toString(): string {
    const { value } = this;
    const magnitude = Math.abs(value);
    if (value === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
      return Number.isInteger(value) ? `${value}.0` : `${value}`;
    }
    if (!Number.isFinite(value)) {
      return `${value}`;
    }
    const [mantissa, exponent] = value.toExponential().split('e');
    return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
  }
}

/** An average with the four decimals that ZooKeeper keeps; 0 of nothing. */
export function average(sum: number, count: number): Double {
  return new Double(count === 0 ? 0 : Math.round((sum / count) * 10_000) / 10_000);
}

/** `0x` and the 64 bits in hex: -1 is sixteen f. */
export function hex64(value: bigint | number): string {
  return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sat Nov 21 00:09:51 UTC 2026`. Always UTC, so that it means the same wherever it is read. */
export function dateText(wallMs: number): string {
  const date = new Date(wallMs);
  const time = date.toISOString().slice(11, 19);
  const day = `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${`${date.getUTCDate()}`.padStart(2, '0')}`;
  return `${day} ${time} UTC ${date.getUTCFullYear()}`;
}

/** `127.0.0.1:2181`, `[::1]:2181`. */
export function socketAddressText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
