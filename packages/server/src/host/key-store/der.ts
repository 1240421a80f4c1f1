/**
 * Reading DER (X.690), as far as key stores and certificate names need it: definite lengths, tags below 31.
 */

/** The bytes are not what their format promises. The message says what was expected; the caller adds the file. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Tags as they stand in the identifier byte. */
export const Tag = {
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  generalString: 0x1b,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  /** [0], constructed: mostly "explicit". */
  context0: 0xa0,
  /** [0], primitive: an implicit octet string. */
  context0Primitive: 0x80,
} as const;

export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly raw: Buffer;
}

/** The value that starts at `offset`; what follows it is left alone. */
export function readDer(bytes: Buffer, offset = 0): DerValue {
  if (offset + 2 > bytes.length) {
    throw new DerError('the data ends in the middle of a value');
  }
  const tag = bytes[offset];
  if ((tag & 0x1f) === 0x1f) {
    throw new DerError('tags above 30 are not used in key stores');
  }
  let length = bytes[offset + 1];
  let start = offset + 2;
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f;
    if (lengthBytes === 0 || lengthBytes > 4) {
      throw new DerError('a length is indefinite or too large (BER, not DER)');
    }
    if (start + lengthBytes > bytes.length) {
      throw new DerError('the data ends in the middle of a length');
    }
    length = bytes.readUIntBE(start, lengthBytes);
    start += lengthBytes;
  }
  const end = start + length;
  if (end > bytes.length) {
    throw new DerError('a value is longer than the data it stands in');
  }
  return { tag, content: bytes.subarray(start, end), raw: bytes.subarray(offset, end) };
}

/** The values inside a constructed value, in order. */
export function childrenOf(value: DerValue): DerValue[] {
  const children: DerValue[] = [];
  for (let offset = 0; offset < value.content.length; ) {
    const child = readDer(value.content, offset);
    children.push(child);
    offset += child.raw.length;
  }
  return children;
}

/** Insists on a tag; `what` names the value in the error. */
export function expectTag(value: DerValue | undefined, tag: number, what: string): DerValue {
  if (value === undefined) {
    throw new DerError(`${what} is missing`);
  }
  if (value.tag !== tag) {
    throw new DerError(`${what} has tag 0x${value.tag.toString(16)}, not 0x${tag.toString(16)}`);
  }
  return value;
}

/** Children of a SEQUENCE; `what` names it in the error. */
export function sequenceOf(value: DerValue | undefined, what: string): DerValue[] {
  return childrenOf(expectTag(value, Tag.sequence, what));
}

/** An object identifier in dotted form. */
export function oidOf(value: DerValue | undefined, what: string): string {
  const { content } = expectTag(value, Tag.oid, what);
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) {
      continue;
    }
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(arc / 40));
      arcs.push(first, arc - first * 40);
    } else {
      arcs.push(arc);
    }
    arc = 0;
  }
  return arcs.join('.');
}

/** A small non-negative INTEGER: iteration counts, key lengths. */
export function integerOf(value: DerValue | undefined, what: string): number {
  const { content } = expectTag(value, Tag.integer, what);
  if (content.length === 0 || content.length > 6 || content[0] >= 0x80) {
    throw new DerError(`${what} is out of range`);
  }
  return content.readUIntBE(0, content.length);
}
