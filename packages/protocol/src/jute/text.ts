/** Bytes as text, as Java reads them: malformed UTF-8 becomes U+FFFD and never an error (client-protocol.md §1.1). */

/** Of all ways to a string this is the fastest at every length, ASCII or not (bench/micro/codec.js). */
const utf8Slice = Buffer.prototype.utf8Slice as (this: Uint8Array, start: number, end: number) => string;

const REPLACEMENT = '\ufffd';
/** The first byte of surrogates, and the least that the second has in them. */
const SURROGATE_LEAD = 0xed;
const SURROGATE_SECOND_MIN = 0xa0;

/** The text of bytes[start, end). */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  const text = utf8Slice.call(bytes, start, end);
  return text.includes(REPLACEMENT) ? withSurrogatesAsOne(bytes.subarray(start, end)) : text;
}

/**
 * The one thing in which Java's decoder differs from that of the web: a surrogate, three bytes or the first two of
 * them, is one malformed character and not one for each byte. Java's own writer makes such bytes of what lies above
 * U+FFFF.
 */
function withSurrogatesAsOne(bytes: Uint8Array): string {
  const wellFormed: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === SURROGATE_LEAD && bytes[at + 1] >= SURROGATE_SECOND_MIN && isContinuation(bytes[at + 1])) {
      wellFormed.push(0xef, 0xbf, 0xbd);
      at += isContinuation(bytes[at + 2]) ? 3 : 2;
    } else {
      wellFormed.push(bytes[at]);
      at++;
    }
  }
  return utf8Slice.call(Uint8Array.from(wellFormed), 0, wellFormed.length);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
