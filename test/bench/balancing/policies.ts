/** The policies that are compared on open arrivals, by the names that the table gives them. */

import {ESTIMATE_SIGMA, SIZE_SIGMA} from './arrivals.ts';
import {type CentralOptions, CentralQueue} from './centralQueue.ts';
import {type KnownSpread, TrueModel} from './oracle.ts';
import {inTurns, leastLoaded, OwnQueues} from './ownQueues.ts';
import type {Placer} from './simulation.ts';
import type {World} from './world.ts';

const SPREAD: KnownSpread = {sizeSigma: SIZE_SIGMA, estimateSigma: ESTIMATE_SIGMA};
const LEARNED: CentralOptions = {strategy: 'ai-optimized', backups: true};

export const OPEN_POLICIES = {
  'round-robin, early': world => new OwnQueues(world, inTurns(world.agents.length)),
  'least-loaded, early': world => new OwnQueues(world, leastLoaded()),
  'round-robin, late': world => new CentralQueue(world, {strategy: 'round-robin'}),
  'capability-weighted, late': world => new CentralQueue(world, {strategy: 'capability-weighted'}),
  'geographic-affinity, late': world => new CentralQueue(world, {strategy: 'geographic-affinity'}),
  'ai-optimized': world => new CentralQueue(world, LEARNED),
  oracle: world => new CentralQueue(world, {...LEARNED, model: new TrueModel(world, SPREAD)}),
} as const satisfies Readonly<Record<string, (world: World) => Placer>>;

export type OpenPolicy = keyof typeof OPEN_POLICIES;

export const OPEN_POLICY_NAMES = Object.keys(OPEN_POLICIES) as readonly OpenPolicy[];
