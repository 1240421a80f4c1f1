/** What the names of messages begin with, behind the unique prefix. */
export const MESSAGE = 'm-';

/** Names of messages, of what else may be in the topic's node. */
export function isMessageName(name: string): boolean {
  return name.startsWith(MESSAGE) || name.includes(`-${MESSAGE}`);
}
