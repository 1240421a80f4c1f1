/** What a reconfiguration leaves beside zoo.cfg, and that a server starts with it. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { ConfigurationFileError, ConfigurationFiles } from '../../src/wiring/configuration-files.ts';
import { Configuration } from '../../src/zab/configuration.ts';
import { ConfigDirectory } from '../config/support.ts';

const MEMBERS = [1, 2, 3].map((id) => `server.${id}=127.0.0.1:3112${id}:3113${id}:participant;0.0.0.0:3111${id}`);
const committed = Configuration.parse(`${MEMBERS.join('\n')}\nversion=100000003`);
const next = Configuration.parse(`${MEMBERS.join('\n')}\nserver.10=d:1:2:observer;0.0.0.0:3\nversion=100000007`);

const STATIC = `# our ensemble
tickTime=2000
initLimit=10
syncLimit=5
reconfigEnabled=true

# members
server.1=127.0.0.1:31121:31131
server.2 = 127.0.0.1:31122:\\
    31132
server.3=127.0.0.1:31123:31133
peerType=participant
clientPort=31111
clientPortAddress=0.0.0.0
clientPortListenBacklog=7
# the end`;

let directory: ConfigDirectory;
let file: string;
beforeEach(() => {
  directory = new ConfigDirectory();
  directory.write('myid', '1');
  file = directory.write('zoo.cfg', `dataDir=${directory.path}\n${STATIC}`);
});
afterEach(() => directory.remove());

function files(): string[] {
  return readdirSync(directory.path).filter((name) => name !== 'myid');
}

function read(name: string): string {
  return readFileSync(join(directory.path, name), 'utf8');
}

function loaded() {
  const { ensemble, listeners } = loadConfig({ file }).config;
  return { text: ensemble?.configuration.text, proposed: ensemble?.proposed?.text ?? null, port: listeners.clientPort };
}

describe('a configuration that comes into force', () => {
  test('has a file of its own, and zoo.cfg names it and keeps the rest', () => {
    const before = read('zoo.cfg');
    new ConfigurationFiles(file, 1).writeCommitted(committed);
    expect(files()).toEqual(['zoo.cfg', 'zoo.cfg.bak', 'zoo.cfg.dynamic.100000003']);
    expect(read('zoo.cfg.dynamic.100000003')).toBe(MEMBERS.join('\n'));
    expect(read('zoo.cfg.bak')).toBe(before);
    expect(read('zoo.cfg')).toBe(`dataDir=${directory.path}
# our ensemble
tickTime=2000
initLimit=10
syncLimit=5
reconfigEnabled=true

# members
clientPortListenBacklog=7
# the end
dynamicConfigFile=${file}.dynamic.100000003
`);
    expect(loaded()).toEqual({ text: committed.text, proposed: null, port: 31111 });
  });

  test('keeps clientPort where the server line has none', () => {
    const withoutClients = Configuration.parse(committed.text.replaceAll(/;\S*/g, ''));
    new ConfigurationFiles(file, 1).writeCommitted(withoutClients);
    expect(read('zoo.cfg')).toContain('\nclientPort=31111\nclientPortAddress=0.0.0.0\n');
    expect(loaded()).toEqual({ text: withoutClients.text, proposed: null, port: 31111 });
  });

  test('again: nothing changes', () => {
    const configurationFiles = new ConfigurationFiles(file, 1);
    configurationFiles.writeCommitted(committed);
    const before = files().map(read);
    configurationFiles.writeCommitted(committed);
    expect(files().map(read)).toEqual(before);
  });

  test('a later one: the older files stay, and so does the first zoo.cfg', () => {
    const configurationFiles = new ConfigurationFiles(file, 1);
    configurationFiles.writeCommitted(committed);
    const backup = read('zoo.cfg.bak');
    configurationFiles.writeCommitted(next);
    expect(files()).toEqual(['zoo.cfg', 'zoo.cfg.bak', 'zoo.cfg.dynamic.100000003', 'zoo.cfg.dynamic.100000007']);
    expect(read('zoo.cfg.bak')).toBe(backup);
    expect(read('zoo.cfg').match(/dynamicConfigFile/g)).toHaveLength(1);
    expect(loaded()).toMatchObject({ text: next.text });
  });
});

describe('a configuration that is proposed', () => {
  test('has its version in it, and is taken up at the next start', () => {
    const configurationFiles = new ConfigurationFiles(file, 1);
    configurationFiles.writeCommitted(committed);
    configurationFiles.writeProposed(next);
    const lines = ['server.10=d:1:2:observer;0.0.0.0:3', ...MEMBERS, 'version=100000007'];
    expect(read('zoo.cfg.dynamic.next')).toBe(lines.join('\n'));
    expect(loaded()).toMatchObject({ text: committed.text, proposed: next.text });
  });

  test('goes when it comes into force, or something newer does', () => {
    const configurationFiles = new ConfigurationFiles(file, 1);
    configurationFiles.writeProposed(next);
    configurationFiles.writeCommitted(committed);
    expect(files()).toContain('zoo.cfg.dynamic.next');
    configurationFiles.writeCommitted(next);
    expect(files()).not.toContain('zoo.cfg.dynamic.next');
    writeFileSync(`${file}.dynamic.next`, 'nonsense');
    configurationFiles.writeCommitted(next);
    expect(files()).not.toContain('zoo.cfg.dynamic.next');
  });
});

describe('the files themselves', () => {
  test('zoo.cfg keeps its permissions: there may be passwords in it', () => {
    chmodSync(file, 0o600);
    new ConfigurationFiles(file, 1).writeCommitted(committed);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a link stays one', () => {
    const elsewhere = join(directory.path, 'elsewhere');
    mkdirSync(elsewhere);
    const target = join(elsewhere, 'real.cfg');
    writeFileSync(target, read('zoo.cfg'));
    rmSync(file);
    symlinkSync(target, file);
    new ConfigurationFiles(file, 1).writeCommitted(committed);
    expect(readFileSync(target, 'utf8')).toContain(`dynamicConfigFile=${file}.dynamic.100000003`);
    expect(readdirSync(elsewhere)).toEqual(['real.cfg']);
    expect(loaded()).toMatchObject({ text: committed.text });
  });

  test('a name that properties files do not like', () => {
    const odd = directory.write('zöö\\x.cfg', `dataDir=${directory.path}\n${STATIC}`);
    new ConfigurationFiles(odd, 1).writeCommitted(committed);
    expect(readFileSync(odd, 'utf8')).toContain('/z\\u00f6\\u00f6\\\\x.cfg.dynamic.100000003\n');
    expect(loadConfig({ file: odd }).config.ensemble?.configuration.text).toBe(committed.text);
  });

  test('what cannot be written is told, and leaves what there was', () => {
    const before = read('zoo.cfg');
    mkdirSync(`${file}.dynamic.100000003`);
    const write = () => new ConfigurationFiles(file, 1).writeCommitted(committed);
    expect(write).toThrow(ConfigurationFileError);
    expect(write).toThrow(/zoo\.cfg\.dynamic\.100000003 cannot be brought up to date: EISDIR.*in force all the same/);
    expect(files()).toEqual(['zoo.cfg', 'zoo.cfg.dynamic.100000003']);
    expect(read('zoo.cfg')).toBe(before);
  });
});
