/**
 * Session passwords (client-protocol.md §2.5): a function of the session id alone, so that every server of an ensemble,
 * Apache's included, can check one without shared state. They keep a client from taking over a session by mistake; they
 * are no secret.
 */

export const PASSWORD_BYTES = 16;

// java.util.Random: a linear congruential generator of 48 bits, of which each step gives the upper 32.
const MULTIPLIER = 0x5deece66dn;
const ADDEND = 0xbn;
/** What ZooKeeper mixes into the id. */
const SALT = 0xb3415c00n;

/** The 16 bytes that a client must show to resume the session. */
export function sessionPassword(sessionId: bigint): Uint8Array {
  const password = new Uint8Array(PASSWORD_BYTES);
  const view = new DataView(password.buffer);
  let state = BigInt.asUintN(48, sessionId ^ SALT ^ MULTIPLIER);
  for (let at = 0; at < PASSWORD_BYTES; at += 4) {
    state = BigInt.asUintN(48, state * MULTIPLIER + ADDEND);
    view.setUint32(at, Number(state >> 16n), true);
  }
  return password;
}

/** Whether `given` is the session's password. Session 0 has none. */
export function isSessionPassword(sessionId: bigint, given: Uint8Array | null): boolean {
  if (sessionId === 0n || given === null || given.length !== PASSWORD_BYTES) {
    return false;
  }
  const expected = sessionPassword(sessionId);
  return given.every((byte, i) => byte === expected[i]);
}
