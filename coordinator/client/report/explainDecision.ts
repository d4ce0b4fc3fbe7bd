/** Why an agent got an attempt, in sentences, from what its record keeps of the decision. Pure. */
import type {PlacementDecision} from '../../protocol/model/attempt.ts';
import {counted} from '../../runtime/counted.ts';

type Features = PlacementDecision['features'];

/** The first sentence says who was chosen and how; then what was expected, what counted, and who was next. */
export function explainDecision(agentId: string, decision: PlacementDecision): string[] {
  const {strategy, considered, others = [], seed, inputHash} = decision;
  const among = considered === undefined ? '' : ` among ${counted(considered, 'agent')} that could take it`;
  return [
    `${agentId} was chosen by ${strategy}${among}.`,
    ...(decision.insteadOf
      ? [`${decision.insteadOf.strategy} was asked and did not decide: ${decision.insteadOf.reason}.`]
      : []),
    ...takenFor(decision),
    ...expectation(decision),
    ...reasons(decision.features),
    ...others.map(
      ({agentId: id, score, features}) =>
        `Next was ${id}, score ${score.toFixed(2)} against ${decision.score.toFixed(2)}${inBrackets(reasons(features, false))}`,
    ),
    ...(seed === undefined ? [] : [`Seed ${seed}, inputs ${inputHash ?? 'unknown'}.`]),
  ];
}

function takenFor({taskClass, guessed = []}: PlacementDecision): string[] {
  if (taskClass === undefined) return [];
  const why =
    guessed.length === 0 ? '' : `: it looks like ${guessed.join(', ')}, which its plan does not say`;
  return [`The task was taken for one of the class ${taskClass}${why}.`];
}

function expectation({durationMs, success}: PlacementDecision): string[] {
  if (durationMs === undefined || success === undefined) return [];
  return [
    `It was expected to take ${duration(durationMs)} and to succeed with ${Math.round(success * 100)} %.`,
  ];
}

function reasons(features: Features, whole = true): string[] {
  const {ratio, n, warm, waitMs, expectedMs, transferMs, rttMs, match, free, local, lastPlaced} = features;
  const found: (string | undefined)[] = [
    ratio === undefined ? undefined : pace(ratio, n ?? 0),
    warm === 1 ? 'It had worked on this repository lately: no set-up' : undefined,
    waitMs !== undefined && waitMs > 0 ? `busy for another ${duration(waitMs)}` : undefined,
    !whole && expectedMs !== undefined ? `${duration(expectedMs)} from its start` : undefined,
    transferMs === undefined ? undefined : `The inputs reach it in ${duration(transferMs)}`,
    rttMs === undefined ? undefined : `the round trip to the hub takes ${Math.round(rttMs)} ms`,
    match === undefined || match === 0 ? undefined : `Declared proficiency matches with ${percent(match)}`,
    free === undefined ? undefined : `${percent(free)} of its slots were free`,
    local === undefined || local === 0 ? undefined : `${percent(local)} of the inputs were made there`,
    lastPlaced === undefined ? undefined : 'It had waited longest for work',
  ];
  const said = found.filter(line => line !== undefined);
  return whole ? said.map(line => `${line.slice(0, 1).toUpperCase()}${line.slice(1)}.`) : said;
}

function pace(ratio: number, n: number): string {
  if (n === 0) return 'Nothing was known of it on tasks of this class';
  const many = `n = ${n}`;
  if (ratio > 0.95 && ratio < 1.05) return `As fast as others on tasks of this class, ${many}`;
  return ratio < 1
    ? `${(1 / ratio).toFixed(1)}x faster on tasks of this class, ${many}`
    : `${ratio.toFixed(1)}x slower on tasks of this class, ${many}`;
}

function inBrackets(texts: readonly string[]): string {
  return texts.length === 0
    ? '.'
    : ` (${texts.map(text => text.slice(0, 1).toLowerCase() + text.slice(1)).join(', ')}).`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
