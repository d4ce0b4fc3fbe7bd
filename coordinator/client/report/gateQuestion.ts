/** What a person needs to know to answer for a gate: what the attempt says that it did, and what it changed. Pure. */
import type {ApprovalRequest} from '../../protocol/approval.ts';
import type {GateEvidence} from '../../protocol/gate.ts';

/** Nothing for another request. */
export function gateQuestionLines(request: ApprovalRequest): string[] {
  if (request.kind !== 'decision' || request.subject !== 'gate') return [];
  const {summary = '', change} = request;
  return [
    ...(summary === '' ? [] : summary.split('\n')),
    ...(change === undefined || change.files === 0 ? [] : change.summary.split('\n')),
  ];
}

/** The verdict of one gate in a word or two. */
export function gateVerdict({type, error, exitCode, measured, judge}: GateEvidence): string {
  if (error !== undefined) return error;
  if (type === 'threshold' && measured !== undefined) return String(Math.round(measured * 100) / 100);
  if (type === 'review' || type === 'approval') return judge === undefined ? 'no answer' : `by ${judge}`;
  return type === 'schema' ? 'does not fit' : `exit ${exitCode ?? 'unknown'}`;
}
