/**
 * Bad quarters of an hour of an agent's machine, in which whatever it does takes a few times as long: a hidden Markov chain of two states, usual
 * and slow, filtered from how long attempts took and from how long those that run have taken already. Pure.
 */

import {LARGEST_SURPRISE} from './effect.ts';

/** When the agent was last looked at, and how likely it was slow then. */
export interface Spell {
  slow: number;
  /** Hub time in ms. */
  at: number;
}

/** Share of all time that agents are slow; an agent's state is forgotten towards it. */
const USUALLY = 0.1;
const MEMORY_MS = 800_000;
/** What being slow adds to the logarithm of a duration. */
const SLOWER = 1;
/** Of the density at its mode: what neither state explains, such as a try that hung, tells little of the state. */
const FLOOR = 0.05;

export function newSpell(at: number): Spell {
  return {slow: USUALLY, at};
}

/** How likely the agent is slow at a moment; an earlier one changes nothing. */
export function slowAt({slow, at}: Spell, now: number): number {
  return now <= at ? slow : USUALLY + (slow - USUALLY) * Math.exp((at - now) / MEMORY_MS);
}

/** What it adds to the expected logarithm of a duration, beyond what it usually does. */
export function slowness(slow: number): number {
  return Math.max(0, slow - USUALLY) * SLOWER;
}

/** An attempt took so much longer, as a logarithm, than it would at the agent's usual pace; `variance` is that of attempts about it. */
export function sawEnd(spell: Spell, beyond: number, variance: number, now: number): void {
  const most = LARGEST_SURPRISE * Math.sqrt(variance);
  const seen = Math.min(most, Math.max(-most, beyond));
  const density = (mean: number): number => FLOOR + Math.exp(-((seen - mean) ** 2) / (2 * variance));
  spell.slow = weighed(slowAt(spell, now), density(SLOWER) / density(0));
  spell.at = Math.max(spell.at, now);
}

/** How likely it is slow once an attempt that still runs has taken so much longer already. */
export function withRunning(slow: number, beyond: number, variance: number): number {
  const sigma = Math.sqrt(variance);
  const lasts = (mean: number): number => FLOOR + 1 / (1 + Math.exp((1.7 * (beyond - mean)) / sigma));
  return weighed(slow, lasts(SLOWER) / lasts(0));
}

function weighed(slow: number, likelihoods: number): number {
  const odds = (slow / (1 - slow)) * likelihoods;
  return Math.min(0.98, odds / (1 + odds));
}
