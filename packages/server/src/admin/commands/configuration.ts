import type { JsonValue } from '../json.ts';
import type { ServerView } from '../view.ts';
import { type Command, query, withoutServer } from './command.ts';

export const configurationCommands: readonly Command[] = [
  query('configuration', ['conf', 'config'], configuration),
  query('initial_configuration', ['icfg'], ({ config }) => ({ initial_configuration: config.initialConfiguration })),
  query('dirs', [], ({ host }) => ({ datadir_size: host.dataDirSizeBytes(), logdir_size: host.dataLogDirSizeBytes() })),
  withoutServer(query('environment', ['env', 'envi'], ({ host }) => Object.fromEntries(host.environment()))),
  withoutServer(query('system_properties', ['sysp'], ({ host }) => Object.fromEntries(host.systemProperties()))),
  withoutServer(query('get_trace_mask', ['gtmk'], ({ traceMask }) => ({ tracemask: traceMask }))),
  {
    name: 'set_trace_mask',
    aliases: ['stmk'],
    needsServer: false,
    method: 'GET',
    needsAuthorization: false,
    run: ({ query, control }) => {
      const text = query.get('traceMask');
      if (text === null) {
        return { fields: { error: 'setTraceMask requires long traceMask argument' } };
      }
      const mask = parseLong(text);
      if (mask === null) {
        return { fields: { error: `setTraceMask requires long traceMask argument, got ${text}` } };
      }
      control.setTraceMask(mask);
      return { fields: { tracemask: mask } };
    },
  },
];

function configuration({ config }: ServerView): { readonly [key: string]: JsonValue } {
  return {
    client_port: config.clientPort,
    data_dir: config.dataDir,
    data_log_dir: config.dataLogDir,
    tick_time: config.tickTimeMs,
    max_client_cnxns: config.maxClientCnxns,
    min_session_timeout: config.minSessionTimeoutMs,
    max_session_timeout: config.maxSessionTimeoutMs,
    server_id: config.serverId,
    client_port_listen_backlog: config.clientPortListenBacklog,
  };
}

/** A decimal number of 64 bits; null for anything else. */
function parseLong(text: string): bigint | null {
  if (!/^[+-]?\d{1,19}$/.test(text)) {
    return null;
  }
  const value = BigInt(text.replace(/^\+/, ''));
  return BigInt.asIntN(64, value) === value ? value : null;
}
