/** Topic: every subscriber gets every message, once, in the one order, or is told that some are missing. */
import type { Client } from '@treekeeper/client';
import { type Message, type SubscribeOptions, Topic } from '@treekeeper/recipes';
import { check } from '../../checkers/violation.ts';
import type { Program } from '../program.ts';
import { Quota } from '../quota.ts';
import { rounds, type Scenario, type ScenarioMaker, type Setting } from '../scenario.ts';

const PATH = '/topic';

export const topicScenario: ScenarioMaker = (setting) => new TopicScenario(setting);

class TopicScenario implements Scenario {
  readonly programs: readonly string[];
  readonly #setting: Setting;
  /** Some keep so few messages that who was away misses some. */
  readonly #messagesMax: number;
  readonly #quota: Quota;
  /** Acknowledged publications: where each is, and the last of each publisher. */
  readonly #published = new Map<bigint, string>();
  readonly #lastOf = new Map<string, bigint>();
  /** What has been read, by position, by anybody; and how far each subscriber has come. */
  readonly #told = new Map<bigint, string>();
  readonly #positions = new Map<string, bigint>();
  /** Stretches in which nothing may be missing, without their ends. */
  readonly #stretches: (readonly [from: bigint, to: bigint])[] = [];
  #named = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
    const { dice } = setting;
    this.#messagesMax = dice.pick([10, 1000]);
    const publishers = Array.from({ length: dice.between(1, 2) }, (_, i) => `publisher${i + 1}`);
    const subscribers = Array.from({ length: dice.between(1, 3) }, (_, i) => `subscriber${i + 1}`);
    this.programs = [...publishers, ...subscribers];
    this.#quota = new Quota(this.programs);
  }

  main(program: Program): Promise<void> {
    return rounds(program, this.#setting, (client) => {
      const topic = new Topic(client, PATH, { messagesMax: this.#messagesMax });
      return program.name.startsWith('publisher')
        ? this.#publish(program, topic)
        : this.#subscribe(program, client, topic);
    });
  }

  missing(): string | null {
    const waiting = this.#quota.waiting();
    return waiting.length === 0 ? null : `${waiting.join(', ')} to publish or read something new`;
  }

  judge(): void {
    for (const [from, to] of this.#stretches) {
      const lost = [...this.#published].find(([position]) => position > from && position < to);
      check(lost === undefined, 'topic', () => `${lost?.[1]} was passed over between ${from} and ${to}`);
    }
    for (const [position, value] of this.#published) {
      const told = this.#told.get(position);
      check(told === undefined || told === value, 'topic', () => `${value} was read as ${told}`);
    }
    const values = [...this.#told.values()];
    check(new Set(values).size === values.length, 'topic', () => 'a message was published twice');
  }

  async #publish(program: Program, topic: Topic): Promise<void> {
    const { world, dice } = this.#setting;
    await program.sleep(dice.between(0, 600));
    const value = `${program.name}-${++this.#named}`;
    const position = await topic.publish(value);
    const before = this.#lastOf.get(program.name) ?? 0n;
    check(position > before, 'topic', () => `${value} is at ${position}, before one at ${before}`);
    this.#lastOf.set(program.name, position);
    world.tell(() => `${value} is published at ${position}`);
    this.#published.set(position, value);
    this.#quota.got(program.name);
    world.count('message published');
  }

  async #subscribe(program: Program, client: Client, topic: Topic): Promise<void> {
    const { world, dice } = this.#setting;
    const position = this.#positions.get(program.name);
    const from: SubscribeOptions['from'] =
      position === undefined ? dice.pick(['now', 'start'] as const) : { after: position };
    world.tell(() => `${program.name} subscribes from ${position ?? from}`);
    await using subscription = await topic.subscribe({ from, signal: program.closing.signal });
    for await (const message of subscription) {
      this.#read(program, message);
      if (dice.chance(0.1)) {
        await program.sleep(dice.between(0, 2000));
      }
      if (!world.isHealed && dice.chance(0.05)) {
        return;
      }
    }
    check(world.isClosing || client.state !== 'connected', 'progress', () => 'a subscription has ended by itself');
  }

  #read({ name }: Program, { value, position, missed }: Message<string>): void {
    const { world } = this.#setting;
    const before = this.#positions.get(name);
    world.tell(() => `${name} reads ${value} at ${position}${missed ? ', and has missed some' : ''}`);
    check(before === undefined || position > before, 'topic', () => `${name} read ${position} after ${before}`);
    const told = this.#told.get(position) ?? value;
    check(told === value, 'topic', () => `at ${position} there is ${value} and ${told}`);
    if (before !== undefined && !missed) {
      this.#stretches.push([before, position]);
    }
    this.#told.set(position, value);
    this.#positions.set(name, position);
    this.#quota.got(name);
    world.count(missed ? 'message read behind missed ones' : 'message read');
  }
}
