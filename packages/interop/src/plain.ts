/** Any decoded value as one line of text: longs as decimal, bytes as text or hex. Equal text means equal values. */
export function plain(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'bigint') {
      return `${part}n`;
    }
    return part instanceof Uint8Array ? plainBytes(part) : part;
  });
}

function plainBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const isText = buffer.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? `text:${buffer.toString('latin1')}` : `hex:${buffer.toString('hex')}`;
}
