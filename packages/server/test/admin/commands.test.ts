import { describe, expect, test } from 'vitest';
import type { CommandContext } from '../../src/admin/commands/command.ts';
import { type Authorization, commandNames, failure, runCommand } from '../../src/admin/commands/index.ts';
import { hex64 } from '../../src/admin/format.ts';
import { RateLimiter } from '../../src/admin/rate-limiter.ts';
import { LeadershipError, type ServerView, SessionError, UnknownSessionError } from '../../src/admin/view.ts';
import { busyConnection, FakeControl, fakeConnection, fakeView, NEGATIVE_SESSION, SESSION } from './fake-view.ts';

const POSTED: ReadonlySet<string> = new Set(['close_session', 'restore', 'shed_connections', 'yield_leadership']);

interface Ask {
  view?: ServerView;
  control?: FakeControl;
  method?: 'GET' | 'POST';
  query?: string;
  body?: string;
  authorization?: Authorization;
  settings?: Partial<CommandContext['settings']>;
  snapshotLimiter?: RateLimiter;
}

function ask(name: string, options: Ask = {}) {
  const context: CommandContext = {
    view: options.view ?? fakeView(),
    control: options.control ?? new FakeControl(),
    settings: {
      snapshotEnabled: true,
      restoreEnabled: true,
      serializeLastProcessedZxidEnabled: true,
      ...options.settings,
    },
    snapshotLimiter: options.snapshotLimiter ?? new RateLimiter(0),
    restoreLimiter: new RateLimiter(0),
    nowMs: () => 0,
    query: new URLSearchParams(options.query ?? ''),
    body: (async function* () {
      yield new TextEncoder().encode(options.body ?? '');
    })(),
  };
  return runCommand(name, options.method ?? 'GET', context, () => options.authorization ?? 'permitted');
}

async function json(name: string, options: Ask = {}): Promise<string> {
  return (await ask(name, options)).json;
}

const VERSION = '3.10.0-treekeeper-0.1.0, built on 2026-11-21 00:00 UTC';

const SERVER_STATS = `  "version" : "${VERSION}",
  "read_only" : false,
  "server_stats" : {
    "packets_sent" : 1741,
    "packets_received" : 1701,
    "fsync_threshold_exceed_count" : 0,
    "client_response_stats" : {
      "last_buffer_size" : 16,
      "min_buffer_size" : 16,
      "max_buffer_size" : 135
    },
    "data_dir_size" : 666,
    "log_dir_size" : 67109337,
    "provider_null" : false,
    "server_state" : "standalone",
    "last_processed_zxid" : 4294967296,
    "outstanding_requests" : 0,
    "avg_latency" : 6.9,
    "max_latency" : 19,
    "min_latency" : 0,
    "num_alive_client_connections" : 2,
    "uptime" : 18965,
    "auth_failed_count" : 0,
    "non_mtlsremote_conn_count" : 0,
    "non_mtlslocal_conn_count" : 0
  },
  "client_response" : {
    "last_buffer_size" : 16,
    "min_buffer_size" : 16,
    "max_buffer_size" : 135
  },
  "node_count" : 5,
`;

/** What each command prints before `command` and `error`. */
const answers: Record<string, string> = {
  configuration: `  "client_port" : 2181,
  "data_dir" : "/data/version-2",
  "data_log_dir" : "/log/version-2",
  "tick_time" : 2000,
  "max_client_cnxns" : 60,
  "min_session_timeout" : 4000,
  "max_session_timeout" : 40000,
  "server_id" : 0,
  "client_port_listen_backlog" : -1,
`,
  connection_stat_reset: '',
  connections: `  "connections" : [ {
    "remote_socket_address" : "127.0.0.1:58464",
    "interest_ops" : 1,
    "outstanding_requests" : 0,
    "packets_received" : 4,
    "packets_sent" : 4,
    "session_id" : 72057718738255965,
    "last_operation" : "GETD",
    "established" : 1795219390762,
    "session_timeout" : 40000,
    "last_cxid" : 3,
    "last_zxid" : 1260,
    "last_response_time" : 2679017,
    "last_latency" : 0,
    "min_latency" : 0,
    "avg_latency" : 1,
    "max_latency" : 3
  }, {
    "remote_socket_address" : "127.0.0.1:58470",
    "interest_ops" : 0,
    "outstanding_requests" : 0,
    "packets_received" : 0,
    "packets_sent" : 0
  } ],
  "secure_connections" : [ ],
`,
  dirs: '  "datadir_size" : 666,\n  "logdir_size" : 67109337,\n',
  dump: `  "expiry_time_to_session_ids" : {
    "1010000" : [ 72057711571894369 ],
    "1030000" : [ 72057718738255965 ]
  },
  "session_id_to_ephemeral_paths" : {
    "72057711571894369" : [ "/app/e", "/app/f" ]
  },
`,
  environment: '  "zookeeper.version" : "3.10.0-x, built on y",\n  "host.name" : "h1",\n',
  get_trace_mask: '  "tracemask" : 306,\n',
  hash: `  "digests" : [ {
    "zxid" : 128,
    "digest" : 2537813934,
    "digest_version" : 2
  }, {
    "zxid" : 256,
    "digest" : 9223372036854775807,
    "digest_version" : 2
  } ],
`,
  initial_configuration: '  "initial_configuration" : "tickTime=2000\\ndataDir=/data\\n",\n',
  is_read_only: '  "read_only" : false,\n',
  last_snapshot: '  "zxid" : "4ec",\n  "timestamp" : 1795236302,\n',
  observer_connection_stat_reset: '',
  observers: '  "synced_observers" : 0,\n  "observers" : [ ],\n',
  ruok: '',
  server_stats: SERVER_STATS,
  stat_reset: '',
  stats: `${SERVER_STATS}  "connections" : [ {
    "remote_socket_address" : "127.0.0.1:58464",
    "interest_ops" : 1,
    "outstanding_requests" : 0,
    "packets_received" : 4,
    "packets_sent" : 4
  }, {
    "remote_socket_address" : "127.0.0.1:58470",
    "interest_ops" : 0,
    "outstanding_requests" : 0,
    "packets_received" : 0,
    "packets_sent" : 0
  } ],
  "secure_connections" : [ ],
`,
  system_properties: '  "zookeeper.admin.serverPort" : "8080",\n',
  voting_view: '  "current_config" : { },\n',
  watch_summary: '  "num_connections" : 2,\n  "num_paths" : 3,\n  "num_total_watches" : 3,\n',
  watches: `  "session_id_to_watched_paths" : {
    "72057718738255965" : [ "/app", "/nope" ],
    "-9151314442816847871" : [ "/app" ]
  },
`,
  watches_by_path: `  "path_to_session_ids" : {
    "/app" : [ 72057718738255965, -9151314442816847871 ],
    "/nope" : [ 72057718738255965 ]
  },
`,
  zabstate: '  "voting" : false,\n  "zabstate" : "",\n',
};

describe('the answers, to the byte', () => {
  test.each(Object.entries(answers))('%s', async (name, fields) => {
    expect(await json(name)).toBe(`{\n${fields}  "command" : "${name}",\n  "error" : null\n}`);
  });

  test('leader: the error of a server in no ensemble comes first', async () => {
    expect(await json('leader')).toBe('{\n  "error" : "server is not initialized",\n  "command" : "leader"\n}');
  });

  test('monitor: as mntr, without zk_', async () => {
    const monitor = await json('monitor');
    expect(monitor).toContain(
      `{\n  "version" : "${VERSION}",\n  "server_state" : "standalone",\n  "ephemerals_count" : 1,\n`,
    );
    expect(monitor).toContain('  "avg_latency" : 6.9,\n');
    expect(monitor).toContain('  "connection_drop_probability" : 0.0,\n');
    expect(monitor.endsWith('  "command" : "monitor",\n  "error" : null\n}')).toBe(true);
  });

  test('last_snapshot before there is one', async () => {
    expect(JSON.parse(await json('last_snapshot', { view: fakeView({ lastSnapshot: null }) }))).toMatchObject({
      zxid: 'ffffffffffffffff',
      timestamp: -1,
    });
  });

  test('connections over TLS are listed apart', async () => {
    const view = fakeView({
      connections: () => [fakeConnection({ secure: true, remoteAddress: '::1' }), busyConnection()],
    });
    const { connections, secure_connections } = JSON.parse(await json('connections', { view }));
    expect([connections.length, secure_connections.length]).toEqual([1, 1]);
    expect(secure_connections[0].remote_socket_address).toBe('[::1]:58464');
  });

  test('set_trace_mask', async () => {
    const control = new FakeControl();
    expect(await json('set_trace_mask', { control, query: 'traceMask=-9223372036854775808' })).toBe(
      '{\n  "tracemask" : -9223372036854775808,\n  "command" : "set_trace_mask",\n  "error" : null\n}',
    );
    expect(control.done).toEqual(['setTraceMask -9223372036854775808']);
    expect(await json('stmk', { control })).toBe(
      '{\n  "error" : "setTraceMask requires long traceMask argument",\n  "command" : "set_trace_mask"\n}',
    );
    for (const wrong of ['abc', '9223372036854775808', '0x1', '']) {
      const answer = await json('stmk', { control, query: `traceMask=${wrong}` });
      expect(JSON.parse(answer).error).toBe(`setTraceMask requires long traceMask argument, got ${wrong}`);
    }
    expect(control.done.length).toBe(1);
  });

  test('resets reach the server', async () => {
    const control = new FakeControl();
    await ask('crst', { control });
    await ask('srst', { control });
    expect(control.done).toEqual(['resetConnectionStatistics', 'resetStatistics']);
  });
});

describe('names', () => {
  test('the primary names, sorted', () => {
    expect(commandNames.join(' ')).toBe(
      'close_session configuration connection_stat_reset connections dirs dump environment get_trace_mask hash ' +
        'initial_configuration is_read_only last_snapshot leader monitor observer_connection_stat_reset observers restore ruok server_stats ' +
        'set_trace_mask shed_connections snapshot stat_reset stats system_properties voting_view watch_summary watches ' +
        'watches_by_path yield_leadership zabstate',
    );
  });

  const aliases =
    'conf=configuration config=configuration crst=connection_stat_reset cons=connections env=environment ' +
    'envi=environment gtmk=get_trace_mask stmk=set_trace_mask icfg=initial_configuration isro=is_read_only ' +
    'lsnp=last_snapshot lead=leader mntr=monitor orst=observer_connection_stat_reset obsr=observers rest=restore ' +
    'srvr=server_stats shed=shed_connections snap=snapshot srst=stat_reset stat=stats sysp=system_properties ' +
    'wchs=watch_summary wchc=watches wchp=watches_by_path ydld=yield_leadership';

  test.each(aliases.split(' ').map((pair) => pair.split('=')))('%s is %s', async (alias, name) => {
    const method = POSTED.has(name) ? 'POST' : 'GET';
    const answer = await json(alias, { method, body: '{"percentage":1}' });
    expect(JSON.parse(answer).command).toBe(name);
  });

  test('unknown ones, those of properties of objects among them', async () => {
    expect(await json('constructor')).toBe(
      '{\n  "command" : "constructor",\n  "error" : "Unknown command: constructor"\n}',
    );
    expect((await ask('RUOK')).status).toBe(200);
  });
});

test('what answers while the tree is not served', async () => {
  const view = fakeView({ serving: false });
  const refused: string[] = [];
  for (const name of commandNames) {
    const method = POSTED.has(name) ? 'POST' : 'GET';
    const { status, json } = await ask(name, { view, method });
    if (JSON.parse(json).error === 'This ZooKeeper instance is not currently serving requests') {
      expect(status).toBe(200);
      refused.push(name);
    }
  }
  const open = ['environment', 'get_trace_mask', 'monitor', 'set_trace_mask', 'system_properties', 'zabstate'];
  expect(commandNames.filter((name) => !refused.includes(name))).toEqual(open);
});

describe('commands that need authorisation', () => {
  test.each([
    ['missing', 401, 'Auth info is missing for the command'],
    ['notAuthenticated', 401, 'Not authenticated'],
    ['notAuthorized', 403, 'Not authorized'],
  ] as const)('%s', async (authorization, status, error) => {
    for (const [name, method] of [
      ['snapshot', 'GET'],
      ['restore', 'POST'],
      ['shed_connections', 'POST'],
      ['yield_leadership', 'POST'],
      ['close_session', 'POST'],
    ] as const) {
      const answer = await ask(name, { authorization, method });
      expect(answer.status).toBe(status);
      expect(answer.json).toBe(`{\n  "command" : "${name}",\n  "error" : "${error}"\n}`);
    }
    expect((await ask('ruok', { authorization })).status).toBe(200);
  });

  test('a method that the command does not have', async () => {
    await expect(ask('ruok', { method: 'POST' })).rejects.toThrow('ruok does not answer to POST');
    await expect(ask('restore', { method: 'GET' })).rejects.toThrow('restore does not answer to GET');
  });

  test('snapshot: the file with its headers, or the headers alone', async () => {
    const streamed = await ask('snapshot');
    expect(streamed.headers).toEqual({ last_zxid: '0x4ec', snapshot_size: '7' });
    expect(streamed.file?.sizeBytes).toBe(7);
    const answered = await ask('snapshot', { query: 'streaming=false' });
    expect(answered.headers).toEqual(streamed.headers);
    expect(answered.file).toBeUndefined();
    expect(answered.json).toBe('{\n  "command" : "snapshot",\n  "error" : null\n}');
  });

  test('snapshot and restore can be switched off', async () => {
    const off = await ask('snapshot', { settings: { snapshotEnabled: false } });
    expect([off.status, JSON.parse(off.json)]).toEqual([
      503,
      { command: 'snapshot', error: 'admin.snapshot.enabled=false' },
    ]);
    const answer = await ask('restore', { method: 'POST', settings: { restoreEnabled: false } });
    expect([answer.status, JSON.parse(answer.json)]).toEqual([
      503,
      { command: 'restore', error: 'admin.restore.enabled=false' },
    ]);
  });

  test('a failed call has used its turn up; refusals and failures are counted', async () => {
    const view = fakeView();
    const control = new FakeControl();
    control.snapshot = new Error('disk full');
    const snapshotLimiter = new RateLimiter(1);
    await expect(ask('snapshot', { view, control, snapshotLimiter })).rejects.toThrow('disk full');
    const refused = await ask('snapshot', { view, control, snapshotLimiter });
    expect([refused.status, JSON.parse(refused.json).error]).toEqual([
      429,
      'one snapshot in 1 ms is taken (admin.rateLimiterIntervalInMS): try again later',
    ]);
    expect(view.metrics.snapshot_error_count.value).toBe(1);
    expect(view.metrics.snapshot_rate_limited_count.value).toBe(1);
  });

  test('without the zxid in snapshots neither command works', async () => {
    const settings = { serializeLastProcessedZxidEnabled: false };
    await expect(ask('snapshot', { settings })).rejects.toThrow('serializeLastProcessedZxid');
    await expect(ask('restore', { settings, method: 'POST' })).rejects.toThrow('serializeLastProcessedZxid');
    const { status, json: text } = failure('snap', new Error('disk full'));
    expect([status, JSON.parse(text)]).toEqual([500, { command: 'snapshot', error: 'disk full' }]);
  });

  test('restore', async () => {
    const control = new FakeControl();
    const answer = await json('restore', { control, method: 'POST', body: 'ZKSN' });
    expect(answer).toBe('{\n  "last_zxid" : 1260,\n  "command" : "restore",\n  "error" : null\n}');
    expect(new TextDecoder().decode(control.restored)).toBe('ZKSN');
  });

  test('shed_connections', async () => {
    const control = new FakeControl();
    expect(await json('shed', { control, method: 'POST', body: '{"percentage": 25}' })).toBe(
      '{\n  "percentage_requested" : 25,\n  "connections_shed" : 3,\n  "command" : "shed_connections",\n  "error" : null\n}',
    );
    expect(control.done).toEqual(['shedConnections 25']);
  });

  test('yield_leadership: to the best suited, or to one; who leads then', async () => {
    const control = new FakeControl();
    expect(JSON.parse(await json('ydld', { control, method: 'POST' }))).toMatchObject({ leader_id: 2, error: null });
    await ask('ydld', { control, method: 'POST', query: 'server=3' });
    expect(control.done).toEqual(['yieldLeadership null', 'yieldLeadership 3']);
  });

  test('yield_leadership: what is no server, and what came to nothing', async () => {
    const control = new FakeControl();
    const wrong = await ask('ydld', { control, method: 'POST', query: 'server=two' });
    expect([wrong.status, JSON.parse(wrong.json).error]).toEqual([400, 'server=two: the number of a server is needed']);
    expect(control.done).toEqual([]);
    control.yields = new LeadershipError('this server does not lead');
    const refused = await ask('ydld', { control, method: 'POST' });
    expect([refused.status, JSON.parse(refused.json).error]).toEqual([409, 'this server does not lead']);
    control.yields = new Error('a bug');
    await expect(ask('ydld', { control, method: 'POST' })).rejects.toThrow('a bug');
  });

  test('close_session: by the id that cons shows, or the number that HTTP commands show', async () => {
    const control = new FakeControl();
    const id = hex64(NEGATIVE_SESSION);
    const answer = await ask('close_session', { control, method: 'POST', query: `id=${id}` });
    expect([answer.status, JSON.parse(answer.json)]).toEqual([
      200,
      { session: id, command: 'close_session', error: null },
    ]);
    await ask('close_session', { control, method: 'POST', query: `id=${NEGATIVE_SESSION}` });
    await ask('close_session', { control, method: 'POST', query: `id=${SESSION}` });
    const ids = [NEGATIVE_SESSION, NEGATIVE_SESSION, SESSION];
    expect(control.done).toEqual(ids.map((each) => `closeSession ${each}`));
  });

  test.each(['', 'id=', 'id=0x', 'id=1f', 'id=0x10000000000000000', 'id=9223372036854775808'])(
    'close_session: no id in "%s"',
    async (query) => {
      const control = new FakeControl();
      const answer = await ask('close_session', { control, method: 'POST', query });
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.json).error).toContain('the id of a session is needed');
      expect(control.done).toEqual([]);
    },
  );

  test('close_session: who is unknown, what cannot be ended now, and a bug', async () => {
    const control = new FakeControl();
    const closing = async (closes: Error) => {
      control.closes = closes;
      const { status, json } = await ask('close_session', { control, method: 'POST', query: 'id=0x1' });
      return [status, JSON.parse(json).error];
    };
    expect(await closing(new UnknownSessionError('there is none'))).toEqual([404, 'there is none']);
    expect(await closing(new SessionError('not now'))).toEqual([409, 'not now']);
    await expect(closing(new Error('a bug'))).rejects.toThrow('a bug');
  });

  test.each([
    '',
    '{}',
    '[25]',
    'null',
    '{"percentage": "25"}',
    '{"percentage": 101}',
    '{"percentage": -1}',
    `{"a":"${'x'.repeat(5000)}"}`,
  ])('shed_connections refuses the body %.20s', async (body) => {
    const control = new FakeControl();
    const answer = await ask('shed', { control, method: 'POST', body });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.json).error).toContain('"percentage"');
    expect(control.done).toEqual([]);
  });
});

test('one call per interval', () => {
  const limiter = new RateLimiter(300);
  expect([0, 1, 299, 300, 599.9, 600].map((nowMs) => limiter.admit(nowMs))).toEqual([
    true,
    false,
    false,
    true,
    false,
    true,
  ]);
  const off = new RateLimiter(0);
  expect([5, 5].map((nowMs) => off.admit(nowMs))).toEqual([true, true]);
});
