/** What was learned of agents and classes of tasks, as it is stored: lists of numbers, in as many parts as fit into records. */
import * as z from 'zod';
import {recordFields} from './record.ts';

/** Raised when the meaning of the numbers changes; another form is left unread, and learned anew. */
export const LEARNED_FORM = 2;

/** Mean, variance, hub time in ms, observations. */
const StoredEffect = z.tuple([z.number(), z.number(), z.number(), z.number()]);
/** Failed, tries, hub time in ms. */
const StoredOdds = z.tuple([z.number(), z.number(), z.number()]);
/** Probability of being slow, hub time in ms. */
const StoredSpell = z.tuple([z.number(), z.number()]);
/** Mean logarithm of the estimates in ms, observations. */
const StoredUsual = z.tuple([z.number(), z.number()]);
const StoredTraits = z.object({effect: StoredEffect, odds: StoredOdds});

export const LearnedAgent = z.object({
  id: z.string().max(128),
  effect: StoredEffect,
  spell: StoredSpell,
  odds: StoredOdds,
  /** By class of task. */
  cells: z.array(StoredTraits.extend({class: z.string().max(128)})),
});
export type LearnedAgent = z.infer<typeof LearnedAgent>;

export const LearnedState = z.object({
  form: z.literal(LEARNED_FORM),
  observations: z.number().int().nonnegative(),
  noise: z.number().positive(),
  proficiency: StoredEffect,
  slope: StoredEffect,
  odds: StoredOdds,
  classes: z.array(StoredTraits.extend({class: z.string().max(128), usual: StoredUsual})),
  agents: z.array(LearnedAgent),
});
export type LearnedState = z.infer<typeof LearnedState>;

/** The first part has all but most of the agents; the others have agents only. */
export const LearnedRecord = z.looseObject({
  ...recordFields,
  state: z.union([LearnedState, LearnedState.pick({form: true, agents: true})]),
});
export type LearnedRecord = z.infer<typeof LearnedRecord>;
