/** What the simulator, the shell and our own tests use; no promise to anybody else. */
export { type ConnectTarget, parseConnectString } from './connect-string.ts';
export { askServer } from './four-letter.ts';
