/** Server lines, myid and the files of a reconfiguration, as they are read at the start. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigDirectory, THREE_SERVERS } from './support.ts';

let directory: ConfigDirectory;
beforeEach(() => {
  directory = new ConfigDirectory();
});
afterEach(() => directory.remove());

describe('a standalone server', () => {
  test('one line is one, and may say where clients connect', () => {
    const { config } = directory.load('server.1=localhost:2888:3888;2182');
    expect(config.listeners).toMatchObject({ clientPort: 2182, clientAddress: '0.0.0.0' });
    expect(config.ensemble).toBeNull();
    directory.write('myid', '1\n');
    const own = directory.load('server.1=localhost:2888:3888;2182;2282\nssl.keyStore.location=/etc/hosts').config;
    expect(own.membership.serverId).toBe(1);
  });

  test('no line is one, whatever standaloneEnabled says', () => {
    expect(directory.load('clientPort=2181\nstandaloneEnabled=false').config.ensemble).toBeNull();
  });

  test('what is in effect is shown with the line that says so', () => {
    const { settings } = directory.load('server.1=localhost:2888:3888;2182');
    expect(settings.find(({ key }) => key === 'clientPort')).toMatchObject({
      value: '2182',
      origin: { kind: 'file', line: 2 },
    });
    expect(settings.find(({ key }) => key === 'secureClientPort')).toMatchObject({
      value: null,
      origin: { kind: 'default' },
    });
  });

  test('the line of another server does not', () => {
    directory.write('myid', '2\n');
    const { config, warnings } = directory.load('clientPort=2181\nserver.1=localhost:2888:3888;2182');
    expect(config.listeners.clientPort).toBe(2181);
    expect(directory.shown(warnings)).toEqual([
      'zoo.cfg:3: server.1 is not about this server, whose myid is 2; its client port is not used',
    ]);
  });

  test('zoo.cfg and the line may not disagree', () => {
    expect(directory.load('clientPort=2182\nserver.1=h:2888:3888;2182').config.listeners.clientPort).toBe(2182);
    expect(directory.faultsOf('clientPort=2181\nserver.1=h:2888:3888;2182')).toEqual([
      'zoo.cfg:2: clientPort is 2181 here and 0.0.0.0:2182 in the server line',
    ]);
  });

  test('keys of ensembles are told to have no effect', () => {
    const { notes } = directory.load('clientPort=2181\ninitLimit=5\nleaderServes=no\nmultiAddress.enabled=true');
    expect(directory.shown(notes)).toEqual([
      'accepted for ensembles; a lone server does not use it: initLimit, leaderServes, multiAddress.enabled',
    ]);
  });
});

describe('an ensemble', () => {
  test('two participants make one; the own line says where clients connect', () => {
    const { ensemble, config, notes } = directory.loadMember(THREE_SERVERS, 2);
    expect(ensemble).toMatchObject({ serverId: 2, proposed: null });
    expect(ensemble.configuration.voters).toEqual([1, 2, 3]);
    expect(ensemble.configuration.version).toBe(0);
    expect(config.listeners).toMatchObject({ clientPort: 2181, clientAddress: '0.0.0.0' });
    expect(notes).toEqual([]);
  });

  test('clientPort of zoo.cfg is not part of the configuration that servers exchange', () => {
    const lines = THREE_SERVERS.replaceAll(';2181', '');
    const { ensemble, config } = directory.loadMember(`clientPort=2185\n${lines}`);
    expect(config.listeners.clientPort).toBe(2185);
    expect(ensemble.configuration.text).toBe(
      'server.1=a:2888:3888:participant\nserver.2=b:2888:3888:participant\nserver.3=c:2888:3888:participant\nversion=0',
    );
  });

  test('of one, which may grow', () => {
    const { ensemble } = directory.loadMember('standaloneEnabled=false\nserver.1=a:2888:3888;2181');
    expect(ensemble.configuration.voters).toEqual([1]);
  });

  test('groups and weights', () => {
    const groups = 'group.1=1:2:3\ngroup.2=4\nweight.2=0\nserver.4=d:1:2;2181\nserver.5=e:1:2:observer;2181';
    const { configuration } = directory.loadMember(`${THREE_SERVERS}\n${groups}`).ensemble;
    expect(configuration.groups.get(1)).toEqual([1, 2, 3]);
    expect([1, 2, 4].map((id) => configuration.weightOf(id))).toEqual([1, 0, 1]);
    expect(configuration.voters).toEqual([1, 2, 3, 4]);
  });

  test('version in zoo.cfg', () => {
    expect(directory.loadMember(`version=1000000ab\n${THREE_SERVERS}`).ensemble.configuration.version).toBe(
      0x1000000ab,
    );
    expect(directory.memberFaultsOf(`version=0x1\n${THREE_SERVERS}`)).toEqual([
      'zoo.cfg:4: version=0x1: expected a zxid in hexadecimal digits, without 0x, for example version=0',
    ]);
  });
});

describe('lines that are wrong', () => {
  test('each is told with its place', () => {
    expect(directory.memberFaultsOf('server.1=a:1\nserver.300=b:1:2\nserver.2=a:1:2|b:1:2\nserver.02=c:1:2')).toEqual([
      expect.stringMatching(/^zoo.cfg:4: server.1=a:1 is not of the form host:port/),
      'zoo.cfg:5: server.300: a server has a number from 1 to 255',
      'zoo.cfg:6: server.2 has several addresses, which needs multiAddress.enabled=true',
      'zoo.cfg:7: server.02: there is a line for server 2 already',
    ]);
  });

  test.each([
    [
      'group.1=1:x',
      'zoo.cfg:4: group.1=1:x: expected numbers of servers separated by colons, for example group.1=1:2:3',
    ],
    ['group.a=1', 'zoo.cfg:4: group.a=1: expected numbers of servers separated by colons, for example group.1=1:2:3'],
    ['weight.x=1', 'zoo.cfg:4: weight.x: expected the number of a server behind the dot, for example weight.1=2'],
    ['weight.1=heavy', 'zoo.cfg:4: weight.1=heavy: expected an integer from 0 to 2147483647, for example weight.1=1'],
    [
      'weight.1=2',
      'zoo.cfg:4: the server lines make no ensemble: it has weights and no groups: name the members of each group in a group line',
    ],
    [
      'group.1=1:2',
      'zoo.cfg:4: the server lines make no ensemble: server 3 is in no group: with groups every participant must be in one',
    ],
  ])('%s', (line, fault) => {
    expect(directory.memberFaultsOf(`${line}\n${THREE_SERVERS}`)).toEqual([fault]);
  });
});

describe('myid', () => {
  test.each(['x', '', '0x1', '256', '-1'])('"%s" is a fault, and the only one', (text) => {
    directory.write('myid', text);
    const fault = `myid:1: '${text}' is not the number of a server, which is 1 to 255`;
    expect(directory.faultsOf('clientPort=2181')).toEqual([fault]);
    expect(directory.faultsOf(`initLimit=1\nsyncLimit=1\n${THREE_SERVERS}`)).toEqual([fault]);
  });

  test('a directory in its place', () => {
    mkdirSync(join(directory.path, 'myid'));
    expect(directory.faultsOf('clientPort=2181')).toEqual(['myid:1: cannot be read: it is a directory']);
  });

  test('missing in an ensemble', () => {
    expect(directory.faultsOf(`clientPort=2181\ninitLimit=1\nsyncLimit=1\n${THREE_SERVERS}`)).toEqual([
      'myid: there is no such file. It says which of the servers 1, 2, 3 this one is: echo 1 > myid (on each server its ' +
        'own number)',
    ]);
  });

  test('of a server that the lines do not name', () => {
    expect(directory.memberFaultsOf(`clientPort=2181\n${THREE_SERVERS}`, 4)).toEqual([
      'myid:1: server 4 is none of the servers 1, 2, 3 that are named in zoo.cfg: correct the number, or add a line ' +
        'server.4. A server that has been removed from its ensemble must be added again first',
    ]);
  });

  test('TTL nodes need the top byte of the ids', () => {
    directory.write('myid', '255');
    expect(directory.faultsOf('clientPort=2181\nextendedTypesEnabled=true')).toEqual([
      'zoo.cfg:3: extendedTypesEnabled=true needs a server id of 254 or less, but myid is 255',
    ]);
  });
});

describe('the dynamic file', () => {
  test('holds the server lines, and its name their version', () => {
    const file = directory.write('zoo.cfg.dynamic.10000000a', THREE_SERVERS);
    const { ensemble, config, settings } = directory.loadMember(`dynamicConfigFile=${file}`);
    expect(ensemble.configuration.version).toBe(0x10000000a);
    expect(ensemble.configuration.voters).toEqual([1, 2, 3]);
    expect(config.listeners.clientPort).toBe(2181);
    expect(settings.find(({ key }) => key === 'server.2')).toMatchObject({
      value: 'b:2888:3888;2181',
      origin: { kind: 'file', file, line: 2 },
    });
    expect(settings.find(({ key }) => key === 'clientPort')).toMatchObject({ origin: { kind: 'file', file, line: 1 } });
  });

  test.each([
    ['members', 0],
    ['members.dynamic', 0],
    ['members.dynamic.xyz', 0],
    ['members.FF', 255],
  ])('the version of %s is %i', (name, version) => {
    const file = directory.write(name, THREE_SERVERS);
    expect(directory.loadMember(`dynamicConfigFile=${file}`).ensemble.configuration.version).toBe(version);
  });

  test('holds nothing else, and zoo.cfg no server lines then', () => {
    const file = directory.write('dynamic', 'server.1=h:1:2;2181\nversion=5\ntickTime=7\n');
    expect(directory.faultsOf(`dynamicConfigFile=${file}\nserver.1=h:1:2`)).toEqual([
      'dynamic:2: version does not belong in a dynamic configuration file, only server, group and weight lines do: the ' +
        "version is the end of the file's name",
      'zoo.cfg:3: server.1 must stand in dynamic, the dynamicConfigFile, and not here',
      'dynamic:3: tickTime does not belong in a dynamic configuration file, only server, group and weight lines do',
    ]);
  });

  test('missing', () => {
    expect(directory.faultsOf(`clientPort=2181\ndynamicConfigFile=${directory.path}/none`)).toEqual([
      'zoo.cfg:3: dynamicConfigFile=none cannot be read: there is no such file',
    ]);
  });
});

describe('what was proposed when the server stopped', () => {
  const FOUR = `${THREE_SERVERS}\nserver.4=d:2888:3888;2181`;

  function load(lines = 'reconfigEnabled=true') {
    const file = directory.write('zoo.cfg.dynamic.100000002', THREE_SERVERS);
    return directory.loadMember(`dynamicConfigFile=${file}\n${lines}`);
  }

  test('is taken up when it is newer', () => {
    directory.write('zoo.cfg.dynamic.next', `${FOUR}\nversion=100000003`);
    expect(load().ensemble.proposed?.voters).toEqual([1, 2, 3, 4]);
    expect(load('reconfigEnabled=false').ensemble.proposed).toBeNull();
  });

  test('and not when it is not', () => {
    directory.write('zoo.cfg.dynamic.next', `${FOUR}\nversion=100000002`);
    expect(load().ensemble.proposed).toBeNull();
  });

  test('is passed over, with a warning, when it cannot be read', () => {
    directory.write('zoo.cfg.dynamic.next', 'tickTime=7');
    const { ensemble, warnings } = load();
    expect(ensemble.proposed).toBeNull();
    expect(directory.shown(warnings)).toEqual([
      'zoo.cfg.dynamic.next: cannot be read, and is passed over: tickTime does not belong in it, only server, group, ' +
        'weight and version lines do',
    ]);
  });
});
