/** @treekeeper/recipes: what programs import. */

export { AtomicValue, type AtomicValueOptions, type Versioned } from './atomic.ts';
export { Barrier, type BarrierOptions, BarrierPass, DoubleBarrier } from './barrier.ts';
export type { Clock } from './clock.ts';
export { Configuration, type ConfigurationOptions } from './configuration.ts';
export type { ConfigurationChanges, ConfigurationSchemas, ConfigurationValues } from './configuration-values.ts';
export type { Contender } from './contenders.ts';
export { Counter, IdGenerator, type IdGeneratorOptions } from './counter.ts';
export type { DownPolicy } from './down-policy.ts';
export { type CampaignOptions, Election, type ElectionOptions, type Leader, Leadership } from './election.ts';
export { isRecipeError, RecipeError, type RecipeErrorCode } from './errors.ts';
export type { Fence, GuardedClient } from './guard.ts';
export { Hold, type HoldOptions, type HoldState } from './hold.ts';
export { Joined, type JoinedState, type JoinOptions } from './joined.ts';
export type { Live } from './live.ts';
export { type FollowOptions, LiveConfiguration } from './live-configuration.ts';
export { type AcquireOptions, Lock, type LockOptions, type NodeNames } from './lock.ts';
export type { Member } from './member-view.ts';
export { Membership, type MembershipOptions } from './membership.ts';
export { MultiHold, MultiLock, type MultiLockOptions } from './multi-lock.ts';
export { type Ownership, Partitioner, type PartitionerOptions } from './partitioner.ts';
export { Lease, type OfferOptions, Queue, type QueueOptions, type TakeOptions } from './queue.ts';
export {
  type ReadWriteAcquireOptions,
  type ReadWriteContender,
  ReadWriteLock,
  type ReadWriteLockOptions,
  WriteHold,
} from './read-write-lock.ts';
export { type InstanceUpdate, Registration } from './registration.ts';
export type { ConfigurationVersion, PublishOptions } from './releases.ts';
export { type JobRun, ScheduledJob, type ScheduledJobOptions } from './scheduled-job.ts';
export { type LeaseOptions, Semaphore, type SemaphoreOptions } from './semaphore.ts';
export { type DirectoryOptions, ServiceDirectory } from './service-directory.ts';
export type { InstanceDescription, ServiceInstance } from './service-instance.ts';
export { Services, type ServicesOptions } from './services.ts';
export { leastLoaded, random, roundRobin, type Strategy, sticky } from './strategies.ts';
export { type Message, type SubscribeOptions, Subscription } from './subscription.ts';
export { Topic, type TopicOptions } from './topic.ts';
export { type TryAcquireOptions, TryLock, type TryLockOptions } from './try-lock.ts';
export { type DecisionOptions, TwoPhaseCommit, type Vote } from './two-phase-commit.ts';
