import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { RollingFile } from '../../src/host/rolling-file.ts';
import { openAudit, ReplicaAudit } from '../../src/wiring/audit.ts';
import { auth, create, createContainer, createTTL, exists, multi, remove, setData } from '../replica/requests.ts';
import { TestServer } from '../replica/support.ts';

const directory = mkdtempSync(join(tmpdir(), 'treekeeper-audit-'));
afterAll(() => rmSync(directory, { recursive: true }));

const errors: string[] = [];
const log = { info: () => {}, warn: () => {}, error: (message: string) => errors.push(message) };

function open(name: string, defines: readonly string[] = []): ReplicaAudit {
  const given = [`auditlog.file=${name}`, `log.dir=${directory}`, ...defines];
  return openAudit(loadConfig({ defines: given }).config, log);
}

/** What was written, without time. */
function lines(name: string): string[] {
  const text = readFileSync(join(directory, name), 'utf8').trimEnd();
  return text === '' ? [] : text.split('\n').map((line) => line.slice(line.indexOf(' ') + 1));
}

describe('what is audited', () => {
  test('kinds of nodes as they were asked for, names as they came to be, users without their passwords', () => {
    const audit = open('kinds');
    const client = new TestServer({ audit }).client();
    client.get(auth('digest', 'joe:secret'));
    client.get(createContainer('/c'));
    client.get(createTTL('/t', 1000n));
    client.get(multi(create('/s-', { flags: 2 }), create('/c/x'), setData('/c', 'y')));
    client.err(create('/c'));
    client.get(exists('/c'));
    audit.close();
    const who = `session=0x${client.sessionId.toString(16)}\tuser=127.0.0.1,joe\tip=127.0.0.1`;
    expect(lines('kinds')).toEqual([
      `INFO  ${who}\toperation=create\tznode=/c\tznode_type=container\tresult=success`,
      `INFO  ${who}\toperation=create\tznode=/t\tznode_type=persistent_with_ttl\tresult=success`,
      `INFO  ${who}\toperation=create\tznode=/s-0000000002\tznode_type=persistent_sequential\tresult=success`,
      `INFO  ${who}\toperation=create\tznode=/c/x\tznode_type=persistent\tresult=success`,
      `INFO  ${who}\toperation=setData\tznode=/c\tresult=success`,
      `ERROR ${who}\toperation=create\tznode=/c\tznode_type=persistent\tresult=failure`,
    ]);
  });

  test('a container that the server removes', () => {
    const audit = open('reaped');
    const server = new TestServer({ audit });
    const client = server.client({ timeoutMs: 40_000 });
    client.pipeline(createContainer('/c'), create('/c/x'), remove('/c/x'));
    client.disconnect();
    server.advance(120_000, 1000);
    audit.close();
    expect(lines('reaped').at(-1)).toMatch(/^INFO {2}user=\S+\toperation=delete\tznode=\/c\tresult=success$/);
  });

  test('with a threshold of ERROR refusals alone, with OFF nothing', () => {
    for (const [threshold, results] of [
      ['WARN', ['failure']],
      ['OFF', []],
    ] as const) {
      const audit = open(threshold, [`auditlog.threshold=${threshold}`]);
      const client = new TestServer({ audit }).client();
      client.pipeline(create('/a'), create('/a'));
      audit.close();
      expect(lines(threshold).map((line) => line.slice(line.lastIndexOf('=') + 1))).toEqual(results);
    }
  });
});

test('a file that cannot be written is told once; the server goes on', () => {
  class FullFile extends RollingFile {
    override write(): void {
      throw new Error('no space left');
    }
  }
  const audit = new ReplicaAudit(new FullFile(join(directory, 'full'), 1, 1), 'full', 'info', log);
  audit.started();
  audit.stopping();
  expect(errors).toEqual(['the audit log full cannot be written, lines are lost: Error: no space left']);
});
