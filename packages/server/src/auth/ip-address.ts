/** Addresses as ZooKeeper's ip scheme writes them: no host names, no zones, no IPv4 tail in an IPv6 address. */

/** Leading zeros are allowed, within reason. */
const DECIMAL = /^[0-9]{1,10}$/;
const HEXTET = /^[0-9a-f]{1,4}$/i;
const HEXTETS = 8;

/** The 4 or 16 bytes of an address; null if the text is none. Leading zeros do not make a number octal. */
export function parseAddress(text: string): Uint8Array | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => DECIMAL.test(part) && Number(part) <= 255)) {
    return null;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split('::');
  const [head, tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const given = head.length + tail.length;
  const fits = halves.length === 1 ? given === HEXTETS : halves.length === 2 && given < HEXTETS;
  if (!fits || ![...head, ...tail].every((hextet) => HEXTET.test(hextet))) {
    return null;
  }
  const zeros = new Array<string>(HEXTETS - given).fill('0');
  const bytes = new Uint8Array(2 * HEXTETS);
  [...head, ...zeros, ...tail].forEach((hextet, i) => {
    const value = Number.parseInt(hextet, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value & 0xff;
  });
  return bytes;
}

const IPV4_MAPPED = /^::ffff:([0-9.]+)$/i;

/**
 * A socket's peer address as ZooKeeper shows it: an IPv4 address that came mapped into IPv6 as itself, IPv6 as eight
 * hextets without compression and without the zone. What is no address (a pipe's, say) stays as it is.
 */
export function canonicalAddress(text: string): string {
  const mapped = IPV4_MAPPED.exec(text);
  if (mapped !== null) {
    return mapped[1];
  }
  const bytes = text.includes(':') ? parseIpv6(text.split('%', 1)[0]) : null;
  if (bytes === null) {
    return text;
  }
  return Array.from({ length: HEXTETS }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16)).join(':');
}

/** An address and how many of its leading bits count. */
export interface AddressRange {
  readonly bytes: Uint8Array;
  readonly prefixBits: number;
}

/** `address` or `address/bits`; null if it is neither. */
export function parseRange(text: string): AddressRange | null {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (bytes === null) {
    return null;
  }
  if (slash === -1) {
    return { bytes, prefixBits: 8 * bytes.length };
  }
  const bits = text.slice(slash + 1);
  const prefixBits = Number(bits);
  return DECIMAL.test(bits) && prefixBits <= 8 * bytes.length ? { bytes, prefixBits } : null;
}

/** Whether the address lies in the range; families never mix. */
export function isInRange(address: Uint8Array, { bytes, prefixBits }: AddressRange): boolean {
  if (address.length !== bytes.length) {
    return false;
  }
  for (let i = 0, bitsLeft = prefixBits; bitsLeft > 0; i++, bitsLeft -= 8) {
    const ignoredBits = Math.max(8 - bitsLeft, 0);
    if ((address[i] ^ bytes[i]) >> ignoredBits !== 0) {
      return false;
    }
  }
  return true;
}
