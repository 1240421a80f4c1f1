/** How the text of a setting becomes a value. */
export interface ValueType<T> {
  /** One or two words for tables: `integer`, `true or false`. */
  readonly name: string;
  /** What may be written, as it completes "expected ...". */
  readonly allowed: string;
  readonly example: string;
  /** The unit in which it is written; empty when it has none. */
  readonly unit: string;
  /** The value; undefined when the text is not one. */
  parse(text: string): T | undefined;
}

const INT_MAX = 2 ** 31 - 1;

interface IntegerOptions {
  readonly min?: number;
  readonly max?: number;
  readonly unit?: string;
  /** The written number times this is the value: seconds to milliseconds. Negative numbers stay as they are. */
  readonly scale?: number;
}

/**
 * An integer, decimal or with `0x`, as Java's Integer.decode. A leading zero is refused: Java takes it for octal in
 * some keys and for decimal in others.
 */
export function integer(options: IntegerOptions = {}): ValueType<number> {
  const { min = -INT_MAX - 1, max = INT_MAX, unit = '', scale = 1 } = options;
  const range = min === -INT_MAX - 1 && max === INT_MAX ? '' : ` from ${min} to ${max}`;
  return {
    name: 'integer',
    allowed: `an integer${range}${unit === '' ? '' : ` (${unit})`}`,
    example: String(Math.max(min, 1)),
    unit,
    parse(text) {
      const match = /^([+-]?)(?:(0|[1-9]\d*)|(?:0[xX]|#)([0-9a-fA-F]+))$/.exec(text);
      if (match === null) {
        return undefined;
      }
      const size = match[2] === undefined ? Number.parseInt(match[3], 16) : Number(match[2]);
      const value = match[1] === '-' && size !== 0 ? -size : size;
      if (value < min || value > max) {
        return undefined;
      }
      return value > 0 ? value * scale : value;
    },
  };
}

/** A Java long, as far as JavaScript numbers are exact. */
export function long(options: IntegerOptions = {}): ValueType<number> {
  return integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, ...options });
}

/** A limit on bytes, written in a larger unit; 0 and -1 both mean none, which is 0. */
export function sizeLimit(unitBytes: number, unit: string): ValueType<number> {
  const written = long({ min: -1, unit, scale: unitBytes });
  return {
    ...written,
    parse(text) {
      const value = written.parse(text);
      return value === -1 ? 0 : value;
    },
  };
}

export const milliseconds = integer({ min: 0, unit: 'ms' });
export const count = integer({ min: 0 });
/** 0 lets the system choose. */
export const port: ValueType<number> = { ...integer({ min: 0, max: 65535 }), example: '2181' };

/** A zxid without `0x`, as the versions of configurations are written. */
export const zxid: ValueType<number> = {
  name: 'hexadecimal',
  allowed: 'a zxid in hexadecimal digits, without 0x',
  example: '100000000',
  unit: '',
  parse(text) {
    const value = /^[0-9a-fA-F]{1,14}$/.test(text) ? Number.parseInt(text, 16) : Number.NaN;
    return Number.isSafeInteger(value) ? value : undefined;
  },
};

/** A number that need not be whole. */
export function decimal(min: number, max: number): ValueType<number> {
  return {
    name: 'number',
    allowed: `a number from ${min} to ${max}`,
    example: '0.5',
    unit: '',
    parse(text) {
      if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) {
        return undefined;
      }
      const value = Number(text);
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/**
 * `true` or `false` in any case. For most properties Java takes every other word for false without saying so ("yes"
 * would switch host name checks off), so other words are refused here.
 */
export const boolean: ValueType<boolean> = {
  name: 'true or false',
  allowed: 'true or false',
  example: 'true',
  unit: '',
  parse(text) {
    const lower = text.toLowerCase();
    return lower === 'true' ? true : lower === 'false' ? false : undefined;
  },
};

/** `yes` or `no`: three keys are written so, and ZooKeeper does not understand `true` there. */
export const yesOrNo: ValueType<boolean> = {
  name: 'yes or no',
  allowed: 'yes or no (this key does not take true or false)',
  example: 'yes',
  unit: '',
  parse: (text) => (text === 'yes' ? true : text === 'no' ? false : undefined),
};

function textLike(name: string, allowed: string, example: string): ValueType<string> {
  return { name, allowed, example, unit: '', parse: (text) => (text === '' ? undefined : text) };
}

export const text: ValueType<string> = textLike('text', 'some text', 'name');
export const path: ValueType<string> = textLike('path', 'a path', '/var/lib/zookeeper');
export const address: ValueType<string> = textLike('address', 'a host name or an IP address', '127.0.0.1');
export const className: ValueType<string> = textLike('class name', 'a Java class name', 'org.example.Name');

/** Text that may be empty: a password, an option to switch off. */
export const anyText: ValueType<string> = { ...text, allowed: 'any text', parse: (written) => written };

/** Words between commas; blanks around them do not count. */
export const list: ValueType<readonly string[]> = {
  name: 'list',
  allowed: 'words separated by commas',
  example: 'a,b',
  unit: '',
  parse: (written) =>
    written
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
};

/** One of the given words in any case; each stands for a value. */
export function oneOf<const T>(words: Readonly<Record<string, T>>): ValueType<T> {
  const names = Object.keys(words);
  const byLowerCase = new Map(names.map((name) => [name.toLowerCase(), words[name]]));
  const shown = names.map((name) => (name === '' ? 'nothing' : name));
  return {
    name: shown.join(', '),
    allowed: shown.length === 1 ? shown[0] : `one of ${shown.join(', ')}`,
    example: names.find((name) => name !== '') ?? '',
    unit: '',
    parse: (written) => byLowerCase.get(written.toLowerCase()),
  };
}

const INTERVAL_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A span of time in milliseconds; written as hours, or with a unit: 90m, 12h, 1d. */
export const intervalInHours: ValueType<number> = {
  name: 'interval',
  allowed: 'a number of hours, or a number with a unit of ms, s, m, h or d',
  example: '30m',
  unit: 'hours, or with a unit',
  parse(written) {
    const match = /^(\d{1,7})(ms|s|m|h|d)?$/i.exec(written);
    return match === null ? undefined : Number(match[1]) * INTERVAL_UNITS_MS[match[2]?.toLowerCase() ?? 'h'];
  },
};

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = { kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 };

/** Bytes, as the logging configuration writes them: 256MB. */
export const fileSize: ValueType<number> = {
  name: 'size',
  allowed: 'a number of bytes, or a number with KB, MB or GB',
  example: '256MB',
  unit: 'bytes, or with a unit',
  parse(written) {
    const match = /^(\d{1,10}) ?(kb|mb|gb)?$/i.exec(written);
    return match === null ? undefined : Number(match[1]) * (SIZE_UNITS_BYTES[match[2]?.toLowerCase() ?? ''] ?? 1);
  },
};

/** Java's names of hash algorithms. */
export const hashAlgorithm = oneOf(
  Object.fromEntries(
    ['SHA1', 'SHA-1', 'SHA-224', 'SHA-256', 'SHA-384', 'SHA-512']
      .concat(['SHA3-224', 'SHA3-256', 'SHA3-384', 'SHA3-512', 'MD5'])
      .map((name) => [name, name]),
  ),
);
