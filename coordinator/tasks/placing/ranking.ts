/** The choice among agents with a free slot by a rule that rates each; or by a whole ranking, where the rule gives one. */
import {isScoring, type PlacementRule, type RankedCandidate} from '../../balancing/strategy.ts';
import type {TaskNode} from '../fleet/fleet.ts';
import {CandidateView} from './candidateView.ts';
import {Inputs} from './inputs.ts';
import type {Learned} from './learned.ts';
import {hashOf, type Roster} from './roster.ts';

/** Best first, at most three of those that were rated. */
export interface Choice {
  readonly index: number;
  readonly best: readonly RankedCandidate[];
}

const SHOWN = 3;

/** `among` must not be empty. Of equals the first wins. */
export function chooseBy(
  rule: PlacementRule,
  task: TaskNode,
  among: readonly number[],
  roster: Roster,
  learned: Learned,
  hubNow: number,
): Choice {
  const inputs = new Inputs(task);
  const view = new CandidateView(task, inputs, learned, hubNow);
  if (!isScoring(rule)) {
    const agents = among.flatMap(index => roster.agents[index] ?? []);
    const views = agents.map(agent => new CandidateView(task, inputs, learned, hubNow, agent));
    const best = rule.rank(views, task.spec);
    const chosen = agents.find(agent => agent.id === best[0]?.agentId) ?? agents[0];
    return {index: chosen?.index ?? (among[0] as number), best: best.slice(0, SHOWN)};
  }
  const top: number[] = [];
  const scores: number[] = [];
  for (const index of among) {
    const agent = roster.agents[index];
    if (!agent) continue;
    const score = rule.score(view.of(agent), task.spec);
    let place = scores.length;
    while (place > 0 && score > (scores[place - 1] as number)) place -= 1;
    if (place >= SHOWN) continue;
    scores.splice(place, 0, score);
    top.splice(place, 0, index);
    if (top.length > SHOWN) {
      top.pop();
      scores.pop();
    }
  }
  const best = top.flatMap((index, place) => {
    const agent = roster.agents[index];
    return agent
      ? [{agentId: agent.id, score: scores[place] ?? 0, features: rule.features(view.of(agent), task.spec)}]
      : [];
  });
  return {index: top[0] ?? (among[0] as number), best};
}

/** Of the task, the agents and their free slots. */
export function hashInputs(task: TaskNode, among: ArrayLike<number>, count: number, roster: Roster): string {
  let hash = hashOf(task.key);
  for (let place = 0; place < count; place += 1) {
    const index = among[place] as number;
    hash = Math.imul(hash ^ (roster.idHash[index] ?? 0), 0x01000193);
    hash = Math.imul(hash ^ (roster.free[index] ?? 0), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
