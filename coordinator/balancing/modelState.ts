/** The state of a performance model as plain numbers, and a model from such a state. */
import {LEARNED_FORM, type LearnedAgent, type LearnedState} from '../protocol/model/learned.ts';
import type {Effect} from './effect.ts';
import type {Odds} from './odds.ts';
import {type AgentTraits, type ClassTraits, type KnownClass, PerformanceModel} from './performanceModel.ts';

type StoredEffect = LearnedState['proficiency'];
type StoredOdds = LearnedState['odds'];

/** What there is room for: agents that were seen last come first. */
const MAX_AGENTS = 4096;
const MAX_CLASSES = 512;
const MAX_CELLS = 64;

export function saveModel(model: PerformanceModel): LearnedState {
  const agents = [...model.agents].sort(([, a], [, b]) => b.effect.at - a.effect.at).slice(0, MAX_AGENTS);
  return {
    form: LEARNED_FORM,
    observations: model.observations,
    noise: rounded(model.noise),
    proficiency: storedEffect(model.proficiency),
    slope: storedEffect(model.slope),
    odds: storedOdds(model.odds),
    classes: newest(model.classes, MAX_CLASSES).map(storedClass),
    agents: agents.map(storedAgent),
  };
}

export function restoreModel(state: LearnedState): PerformanceModel {
  const model = new PerformanceModel();
  model.observations = state.observations;
  model.noise = state.noise;
  Object.assign(model.proficiency, effectOf(state.proficiency));
  Object.assign(model.slope, effectOf(state.slope));
  Object.assign(model.odds, oddsOf(state.odds));
  for (const stored of state.classes) {
    const [log, n] = stored.usual;
    model.classes.set(stored.class, {...traitsOf(stored), usual: {log, n}});
  }
  for (const stored of state.agents)
    model.agents.set(stored.id, {
      effect: effectOf(stored.effect),
      spell: {slow: stored.spell[0], at: stored.spell[1]},
      odds: oddsOf(stored.odds),
      cells: new Map(stored.cells.map(cell => [cell.class, traitsOf(cell)])),
    });
  return model;
}

function storedAgent([id, {effect, spell, odds, cells}]: readonly [string, AgentTraits]): LearnedAgent {
  return {
    id,
    effect: storedEffect(effect),
    spell: [rounded(spell.slow), Math.round(spell.at)],
    odds: storedOdds(odds),
    cells: newest(cells, MAX_CELLS).map(storedTraits),
  };
}

function newest<T extends ClassTraits>(
  traits: ReadonlyMap<string, T>,
  most: number,
): (readonly [string, T])[] {
  return [...traits].sort(([, a], [, b]) => b.effect.at - a.effect.at).slice(0, most);
}

function storedClass([name, traits]: readonly [string, KnownClass]): LearnedState['classes'][number] {
  const {log, n} = traits.usual;
  return {...storedTraits([name, traits]), usual: [rounded(log), n]};
}

function storedTraits([name, {effect, odds}]: readonly [string, ClassTraits]): LearnedAgent['cells'][number] {
  return {class: name, effect: storedEffect(effect), odds: storedOdds(odds)};
}

function traitsOf({effect, odds}: Pick<LearnedAgent['cells'][number], 'effect' | 'odds'>): ClassTraits {
  return {effect: effectOf(effect), odds: oddsOf(odds)};
}

function storedEffect({mean, variance, at, n}: Effect): StoredEffect {
  return [rounded(mean), rounded(variance), Math.round(at), n];
}

function effectOf([mean, variance, at, n]: StoredEffect): Effect {
  return {mean, variance, at, n};
}

function storedOdds({failed, tries, at}: Odds): StoredOdds {
  return [rounded(failed), rounded(tries), Math.round(at)];
}

function oddsOf([failed, tries, at]: StoredOdds): Odds {
  return {failed, tries, at};
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
