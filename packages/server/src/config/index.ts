/** What the command and others need to read a configuration, show it, and say what is wrong with it. */
export { type EffectiveSetting, type LoadedConfig, type LoadOptions, loadConfig } from './config.ts';
export { ConfigError, describeOrigin, formatNotice, type Notice, type Origin } from './config-error.ts';
export { EXIT_CODES } from './exit-codes.ts';
export { nearest } from './nearest.ts';
export type { ServerConfig } from './server-config.ts';
