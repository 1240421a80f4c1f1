import { JuteReader, JuteWriter, type RecordType } from '@treekeeper/protocol';

/** Bytes from hex with spaces and line breaks for reading. */
export function bytesOf(hex: string): Uint8Array {
  const digits = hex.replace(/\s/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) {
    throw new Error(`not hex: ${hex}`);
  }
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

export function readerOf(hex: string): JuteReader {
  return new JuteReader(bytesOf(hex));
}

/** What `write` writes, in hex. */
export function hexOf(write: (writer: JuteWriter) => void): string {
  const writer = new JuteWriter();
  write(writer);
  return writer.copy().toString('hex');
}

export function encodedHex<In>(type: RecordType<unknown, In>, value: In): string {
  return hexOf((writer) => type.encode(writer, value));
}

export function text(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'utf8'));
}
