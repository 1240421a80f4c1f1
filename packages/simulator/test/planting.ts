/** How a bug gets into an ensemble: into its parts, or into a method of the server that is another one for a while. */
import type { Fault } from '../src/ensemble/faults.ts';
import type { Feature } from '../src/ensemble/features.ts';
import type { EnsemblePlan } from '../src/ensemble/plan.ts';
import type { EnsembleDoubles } from '../src/ensemble/world.ts';

export interface PlantedEnsembleBug {
  readonly what: string;
  /** Which judges may see it first. */
  readonly invariants: readonly string[];
  readonly doubles?: () => EnsembleDoubles;
  /** Changes the server; returns what changes it back. */
  readonly plant?: () => () => void;
  /** What every ensemble has, whatever its seed draws. */
  readonly features?: readonly Feature[];
  /** The faults with which it shows soon, in place of those that seeds draw. */
  readonly faults?: (plan: EnsemblePlan) => Fault[];
  /** Digests, which would show it at once, are off: the judges see it by themselves. */
  readonly withoutDigests?: boolean;
  /** Other changes of what seeds draw. */
  readonly plan?: (plan: EnsemblePlan) => EnsemblePlan;
}

/** What seeds draw, with what the bug needs to show soon. */
export function planFor(
  { faults, withoutDigests, plan: change }: PlantedEnsembleBug,
  drawn: EnsemblePlan,
): EnsemblePlan {
  const plan = change?.(drawn) ?? drawn;
  const { settings } = plan;
  const storage = { ...settings.storage, digestEnabled: false };
  return {
    ...plan,
    faults: faults?.(plan) ?? plan.faults,
    settings: withoutDigests === true ? { ...settings, digestEnabled: false, storage } : settings,
  };
}

/** Some faults of a kind, one after the other. */
export function oneAfterTheOther(
  count: number,
  fault: (plan: EnsemblePlan, i: number) => object,
): (plan: EnsemblePlan) => Fault[] {
  return (plan) =>
    Array.from({ length: count }, (_, i) => {
      const eachMs = plan.safetyMs / count;
      const base = { atMs: (i + 0.3) * eachMs, ms: eachMs / 2, rush: true, resets: true };
      return { ...base, ...fault(plan, i) } as Fault;
    });
}

/** Another method in place of one of the server's. */
export function replaced<T extends object, K extends keyof T>(
  holder: T,
  name: K,
  method: (original: T[K]) => T[K],
): () => () => void {
  return () => {
    const original = holder[name];
    holder[name] = method(original);
    return () => {
      holder[name] = original;
    };
  };
}

/** Several at once. */
export function together(...plants: readonly (() => () => void)[]): () => () => void {
  return () => {
    const undo = plants.map((plant) => plant());
    return () => {
      for (const step of undo.reverse()) {
        step();
      }
    };
  };
}

/** Another getter in place of one of the server's. */
export function replacedGetter<T extends object, K extends keyof T & string>(
  holder: T,
  name: K,
  getter: (this: T) => T[K],
): () => () => void {
  return () => {
    const original = Object.getOwnPropertyDescriptor(holder, name) as PropertyDescriptor;
    Object.defineProperty(holder, name, { ...original, get: getter });
    return () => {
      Object.defineProperty(holder, name, original);
    };
  };
}
