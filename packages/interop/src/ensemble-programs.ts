/** The programs of suite `programs` at every member of an ensemble, and with fail-over between all of them. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Ensemble, type EnsembleMember, type MemberOptions } from './ensemble.ts';
import { cShellWithFailOver } from './programs/c-fail-over.ts';
import { cScript, cShellText } from './programs/c-shell.ts';
import { shellScript, shellText } from './programs/java-shell.ts';
import { kazooScripts, runKazoo } from './programs.ts';
import type { Checks, Options, Suite } from './suite.ts';

const OURS: MemberOptions = { flavour: 'treekeeper' };
const MEMBERS: readonly MemberOptions[] = [OURS, OURS, OURS, { ...OURS, role: 'observer' }];
const ROLES = ['leader', 'follower', 'observer'] as const;

type Script = readonly (readonly [command: string, expected: string])[];

export const ensemblePrograms: Suite = {
  name: 'ensemble-programs',
  summary: 'zkCli.sh, cli_mt and kazoo at the leader, a follower and an observer, kazoo and cli_mt while leaders die',
  async run(options, checks) {
    for (const role of ROLES) {
      await checks.part(`zkCli.sh at the ${role}`, () =>
        shell('zkCli.sh', shellText, shellScript, role, options, checks),
      );
      await checks.part(`cli_mt at the ${role}`, () => shell('cli_mt', cShellText, cScript, role, options, checks));
      for (const script of kazooScripts.filter((name) => name !== 'reconnect')) {
        await checks.part(`kazoo at the ${role}: ${script}`, () => kazooAt(script, role, options, checks));
      }
    }
    await checks.part('kazoo while leaders die', () => kazooWithFailOver(options, checks));
    await checks.part('cli_mt while its server and leaders die', () =>
      withEnsemble(options, (ensemble) => cShellWithFailOver(ensemble, checks)),
    );
  },
};

async function withEnsemble(options: Options, use: (ensemble: Ensemble) => Promise<void>): Promise<void> {
  const ensemble = await Ensemble.start(mkdtempSync(join(options.directory, 'ensemble-programs-')), MEMBERS);
  try {
    await use(ensemble);
  } finally {
    await ensemble.stop();
  }
}

async function memberOf(ensemble: Ensemble, role: (typeof ROLES)[number]): Promise<EnsembleMember> {
  const modes = await Promise.all(ensemble.members.map((member) => member.mode()));
  const found = ensemble.members[modes.indexOf(role)];
  if (found === undefined) {
    throw new Error(`no ${role} among ${modes.join(', ')}`);
  }
  return found;
}

/** Runs a shell's script; what it prints must have what each command is to print. */
async function shell(
  name: string,
  run: (port: number) => Promise<string>,
  script: Script,
  role: (typeof ROLES)[number],
  options: Options,
  checks: Checks,
): Promise<void> {
  await withEnsemble(options, async (ensemble) => {
    const text = await run((await memberOf(ensemble, role)).port);
    for (const [command, expected] of script) {
      checks.that(`${name} at the ${role}: ${command}`, text.includes(expected), () => `no "${expected}" in\n${text}`);
    }
  });
}

async function kazooAt(script: string, role: (typeof ROLES)[number], options: Options, checks: Checks): Promise<void> {
  await withEnsemble(options, async (ensemble) => {
    const { port } = await memberOf(ensemble, role);
    const restart = () => Promise.reject(new Error(`${script} restarts nothing`));
    await runKazoo(script, `127.0.0.1:${port}`, restart, checks);
  });
}

/** Each time the script asks for a restart, the leader dies, and comes back when the others have gone on. */
async function kazooWithFailOver(options: Options, checks: Checks): Promise<void> {
  await withEnsemble(options, async (ensemble) => {
    const hosts = ensemble.members.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const failOver = async (): Promise<void> => {
      const leader = await ensemble.leader();
      await leader.server.kill();
      await ensemble.untilServing();
      leader.server.launch();
      await ensemble.untilServing();
    };
    await runKazoo('reconnect', hosts, failOver, checks);
  });
}
