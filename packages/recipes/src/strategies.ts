/** How one of several instances is chosen. */
import type { ServiceInstance } from './service-instance.ts';

/**
 * Chooses one of the instances, which are at least one, ordered by id. Any function of this form will do; those made
 * here may keep state, so make one for each directory.
 *
 * @example
 * ```ts
 * const nearest: Strategy<{ zone: string }> = (instances) =>
 *   instances.find(({ metadata }) => metadata.zone === 'eu-1') ?? instances[0];
 * const services = new Services<{ zone: string }>(client, '/services');
 * await using directory = await services.directory('search', { strategy: nearest });
 * console.assert(directory.pick() === null); // there is nobody yet
 * ```
 */
export type Strategy<M> = (instances: readonly [ServiceInstance<M>, ...ServiceInstance<M>[]]) => ServiceInstance<M>;

/**
 * Each time any of them. The argument is for tests: a source of numbers from 0 up to, but not including, 1.
 *
 * @example
 * ```ts
 * await using directory = await new Services(client, '/services').directory('a', { strategy: random() });
 * ```
 */
export function random<M>(chance: () => number = Math.random): Strategy<M> {
  return (instances) => instances[Math.floor(chance() * instances.length)] as ServiceInstance<M>;
}

/**
 * One after the other, whoever comes or goes meanwhile.
 *
 * @example
 * ```ts
 * await using directory = await new Services(client, '/services').directory('b', { strategy: roundRobin() });
 * ```
 */
export function roundRobin<M>(): Strategy<M> {
  let last = '';
  return (instances) => {
    const next = instances.find(({ id }) => id > last) ?? instances[0];
    last = next.id;
    return next;
  };
}

/**
 * The same one as long as it is there; then the one that another strategy chooses.
 *
 * @example
 * ```ts
 * const strategy = sticky(roundRobin());
 * await using directory = await new Services(client, '/services').directory('c', { strategy });
 * ```
 */
export function sticky<M>(first: Strategy<M> = random()): Strategy<M> {
  let last: string | null = null;
  return (instances) => {
    const same = instances.find(({ id }) => id === last) ?? first(instances);
    last = same.id;
    return same;
  };
}

/**
 * The one with the least load, as its metadata tell; any of them if there are several. They tell it with some delay: a
 * load that many callers even out at once had better be chosen at random.
 *
 * @example
 * ```ts
 * const services = new Services<{ load: number }>(client, '/services');
 * const strategy = leastLoaded<{ load: number }>(({ metadata }) => metadata.load);
 * await using directory = await services.directory('d', { strategy });
 * ```
 */
export function leastLoaded<M>(
  load: (instance: ServiceInstance<M>) => number,
  chance: () => number = Math.random,
): Strategy<M> {
  const any = random<M>(chance);
  return (instances) => {
    const least = Math.min(...instances.map(load));
    const [first, ...others] = instances.filter((instance) => load(instance) === least);
    return first === undefined ? any(instances) : any([first, ...others]);
  };
}
