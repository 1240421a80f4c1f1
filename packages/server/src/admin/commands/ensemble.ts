import { action, type Command, query, withoutServer } from './command.ts';

/** The commands about an ensemble, with the answers of a server that is in none. */
export const ensembleCommands: readonly Command[] = [
  query('leader', ['lead'], () => ({ error: 'server is not initialized' })),
  query('observers', ['obsr'], () => ({ synced_observers: 0, observers: [] })),
  action('observer_connection_stat_reset', ['orst'], () => {}),
  query('voting_view', [], () => ({ current_config: {} })),
  withoutServer(query('zabstate', [], () => ({ voting: false, zabstate: '' }))),
];
