/**
 * RC2 (RFC 2268), decryption only. Java up to 8 and OpenSSL up to 1.1 encrypted the certificates of PKCS12 stores with
 * 40-bit RC2, and the OpenSSL inside Node no longer has it. It hides nothing from anyone; it only has to be read.
 */

/** The table of RFC 2268 §2. */
const PI_TABLE = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32' +
    'bd8f40eb86b77b0bf09521225c6b4e8254d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
    '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed708e8eade8052eef784aa72ac354d6a2a' +
    '961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2e' +
    'c5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
);

const ROTATIONS = [1, 2, 3, 5] as const;

/** The 64 words of RFC 2268 §2, from a key and its effective length. */
function expandKey(key: Buffer, effectiveBits: number): Uint16Array {
  const bytes = new Uint8Array(128);
  bytes.set(key);
  for (let i = key.length; i < 128; i++) {
    bytes[i] = PI_TABLE[(bytes[i - 1] + bytes[i - key.length]) & 0xff];
  }
  const effectiveBytes = (effectiveBits + 7) >> 3;
  const mask = 0xff >> (8 * effectiveBytes - effectiveBits);
  bytes[128 - effectiveBytes] = PI_TABLE[bytes[128 - effectiveBytes] & mask];
  for (let i = 127 - effectiveBytes; i >= 0; i--) {
    bytes[i] = PI_TABLE[bytes[i + 1] ^ bytes[i + effectiveBytes]];
  }
  const words = new Uint16Array(64);
  for (let i = 0; i < 64; i++) {
    words[i] = bytes[2 * i] | (bytes[2 * i + 1] << 8);
  }
  return words;
}

/** One block of eight bytes, in place: 5 rounds of mixing, mashing, 6, mashing, 5, all backwards (§4). */
function decryptBlock(words: Uint16Array, block: Buffer): void {
  const r = [block.readUInt16LE(0), block.readUInt16LE(2), block.readUInt16LE(4), block.readUInt16LE(6)];
  let next = 63;
  for (let round = 15; round >= 0; round--) {
    for (let i = 3; i >= 0; i--) {
      const [a, b, c] = [r[(i + 1) & 3], r[(i + 2) & 3], r[(i + 3) & 3]];
      const turned = (r[i] >>> ROTATIONS[i]) | (r[i] << (16 - ROTATIONS[i]));
      r[i] = (turned - words[next] - (c & b) - (~c & a)) & 0xffff;
      next -= 1;
    }
    if (round === 11 || round === 5) {
      for (let i = 3; i >= 0; i--) {
        r[i] = (r[i] - words[r[(i + 3) & 3] & 63]) & 0xffff;
      }
    }
  }
  for (let i = 0; i < 4; i++) {
    block.writeUInt16LE(r[i], 2 * i);
  }
}

/**
 * CBC mode without padding: the caller removes it.
 * @param key 1 to 128 bytes
 * @param data whole blocks of 8 bytes
 */
export function decryptRc2Cbc(key: Buffer, effectiveBits: number, iv: Buffer, data: Buffer): Buffer {
  const words = expandKey(key, effectiveBits);
  const plain = Buffer.from(data);
  let previous = iv;
  for (let at = 0; at + 8 <= data.length; at += 8) {
    const block = plain.subarray(at, at + 8);
    decryptBlock(words, block);
    for (let i = 0; i < 8; i++) {
      block[i] ^= previous[i];
    }
    previous = data.subarray(at, at + 8);
  }
  return plain;
}
