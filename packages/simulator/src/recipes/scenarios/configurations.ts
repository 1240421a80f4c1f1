/** Configuration: what is published together is seen together, versions do not go back, and everybody gets the last. */
import type { StandardSchema } from '@treekeeper/client';
import { Configuration, type ConfigurationVersion, isRecipeError, type LiveConfiguration } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting, unlessFailed } from '../scenario.ts';

const PATH = '/config';

const number: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'simulator',
    validate: (value) => (typeof value === 'number' ? { value } : { issues: [{ message: 'not a number' }] }),
  },
};
/** Always published together, and alike. */
const schemas = { left: number, right: number };
type Schemas = typeof schemas;

export const configurationScenario: ScenarioMaker = (setting) => new ConfigurationScenario(setting);

class ConfigurationScenario implements Scenario {
  readonly programs: readonly string[];
  readonly #setting: Setting;
  readonly #views = new Map<string, LiveConfiguration<Schemas>>();
  /** What each version that was acknowledged has published. */
  readonly #published = new Map<number, string>();
  #named = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { dice } = setting;
    const publishers = Array.from({ length: dice.between(1, 3) }, (_, i) => `publisher${i + 1}`);
    const followers = Array.from({ length: dice.between(1, 3) }, (_, i) => `follower${i + 1}`);
    this.programs = [...publishers, ...followers];
  }

  main(program: Program): Promise<void> {
    return rounds(program, this.#setting, (client) => {
      const configuration = new Configuration(client, PATH, schemas, { versionsMax: 10 });
      return program.name.startsWith('publisher')
        ? this.#publish(program, configuration)
        : this.#follow(program, configuration);
    });
  }

  missing(): string | null {
    const { world } = this.#setting;
    const latest = Number(world.data(`${PATH}/left`) ?? 0);
    const followers = this.programs.filter((name) => name.startsWith('follower'));
    const late = followers.filter((name) => unlessFailed(() => this.#views.get(name)?.current.left) !== latest);
    return late.length === 0 ? null : `${late.join(', ')} to see ${latest}`;
  }

  judge(): void {
    const { world } = this.#setting;
    for (const name of world.children(`${PATH}/.history`)) {
      const { version, texts }: ConfigurationVersion = JSON.parse(world.data(`${PATH}/.history/${name}`) as string);
      this.#judgePair(`version ${version}`, texts['left'], texts['right']);
      const published = this.#published.get(version);
      const isKept = published === undefined || published === texts['left'];
      check(isKept, 'versions', () => `version ${version} was ${published}, and is ${texts['left']} in the history`);
    }
  }

  #judgePair(what: string, left: unknown, right: unknown): void {
    check(left === right, 'together', () => `${what} has ${left} and ${right}`);
  }

  async #publish(program: Program, configuration: Configuration<Schemas>): Promise<void> {
    const { world, dice } = this.#setting;
    await program.sleep(dice.between(0, 1000));
    if (world.isHealed) {
      return;
    }
    try {
      const versions = dice.chance(0.2) ? await configuration.history() : [];
      const earlier = versions.length === 0 ? undefined : dice.pick(versions);
      this.#named++;
      const { version, texts } = await (earlier === undefined
        ? configuration.publish({ left: this.#named, right: this.#named }, { author: program.name })
        : configuration.rollback(earlier.version));
      const other = this.#published.get(version);
      check(other === undefined, 'versions', () => `version ${version} is ${texts['left']} and ${other}`);
      this.#published.set(version, texts['left'] as string);
      world.count('configuration published');
    } catch (error) {
      // Others were quicker, or the version is kept no longer.
      if (!isRecipeError(error, 'CONFLICT') && !isRecipeError(error, 'INVALID_OPTION')) {
        throw error;
      }
    }
  }

  async #follow(program: Program, configuration: Configuration<Schemas>): Promise<void> {
    const { world } = this.#setting;
    await using live = await configuration.follow({ fallback: { left: 0, right: 0 } });
    this.#views.set(program.name, live);
    const close = (): void => void live.close();
    program.closing.signal.addEventListener('abort', close, { once: true });
    if (world.isClosing) {
      close();
    }
    try {
      await this.#look(program, live);
    } finally {
      program.closing.signal.removeEventListener('abort', close);
    }
  }

  async #look(program: Program, live: LiveConfiguration<Schemas>): Promise<void> {
    const { world, dice } = this.#setting;
    let before = 0;
    for await (const { left, right } of live) {
      this.#judgePair(`what ${program.name} sees`, left, right);
      const { version } = live;
      check(version >= before, 'versions', () => `${program.name} sees version ${version} after ${before}`);
      before = version;
      const published = this.#published.get(version);
      const isSo = published === undefined || Number(published) === live.current.left;
      check(isSo, 'versions', () => `version ${version} is ${published}, and ${live.current.left} to ${program.name}`);
      world.count('configuration seen');
      if (!world.isHealed && dice.chance(0.05)) {
        await live.close();
      }
    }
  }
}
