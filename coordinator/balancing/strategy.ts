/** The seam of placement: a strategy ranks the agents that fit a task. Pure ranking under a thin async wrapper. */
import type {TaskSpecification} from '../protocol/plan/plan.ts';
import type {AgentAssignment, Candidate, LoadBalancingStrategy} from '../protocol/strategy.ts';

export type {AgentAssignment, Candidate, LoadBalancingStrategy} from '../protocol/strategy.ts';

export type Features = Readonly<Record<string, number>>;

export interface RankedCandidate {
  readonly agentId: string;
  readonly score: number;
  /** What the score is made of, by feature name. */
  readonly features: Features;
}

/** Higher scores first; ties broken by the given order. Must not read a clock or keep state, nor keep a candidate. */
export interface PlacementRule {
  readonly name: string;
  rank(candidates: readonly Candidate[], task: TaskSpecification): readonly RankedCandidate[];
}

/** A rule that rates each candidate by itself, which spares the rest of a ranking where only the first is wanted. */
export interface ScoringRule extends PlacementRule {
  score(candidate: Candidate, task: TaskSpecification): number;
  features(candidate: Candidate, task: TaskSpecification): Features;
  /** Agents that are busy now are thought of too: a task may wait for one of them. */
  readonly expectsCompletion?: true;
}

/** A rule that has to be waited for: `rank` decides where it does not answer. */
export interface ConsultedRule extends PlacementRule {
  consult(candidates: readonly Candidate[], task: TaskSpecification): Promise<readonly AgentAssignment[]>;
}

export function consultedRule(strategy: LoadBalancingStrategy, otherwise: PlacementRule): ConsultedRule {
  return {
    name: strategy.name,
    consult: (candidates, task) => strategy.optimize(candidates, task),
    rank: (candidates, task) => otherwise.rank(candidates, task),
  };
}

export function isConsulted(rule: PlacementRule): rule is ConsultedRule {
  return 'consult' in rule;
}

export function scoringRule({name, features, score, ...rest}: Omit<ScoringRule, 'rank'>): ScoringRule {
  return {
    name,
    features,
    score,
    ...rest,
    rank: (candidates, task) =>
      candidates
        .map(candidate => ({
          agentId: candidate.instance.id,
          score: score(candidate, task),
          features: features(candidate, task),
        }))
        .sort((a, b) => b.score - a.score),
  };
}

export function isScoring(rule: PlacementRule): rule is ScoringRule {
  return 'score' in rule;
}

export function expectsCompletion(rule: PlacementRule): boolean {
  return isScoring(rule) && rule.expectsCompletion === true;
}

/** A strategy that has nothing to wait for: a rule with a promise around it. */
export class RuleBalancer implements LoadBalancingStrategy {
  readonly name: string;

  constructor(private readonly rule: PlacementRule) {
    this.name = rule.name;
  }

  async optimize(candidates: readonly Candidate[], task: TaskSpecification): Promise<AgentAssignment[]> {
    return this.rule.rank(candidates, task).map(ranked => ({...ranked, taskId: task.id}));
  }
}
