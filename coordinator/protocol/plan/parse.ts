/** Plan text to plan: YAML or JSON in, either a checked plan or every problem with its line and column. Never throws for bad input. */
import {composePlan} from './compose.ts';
import {crossChecks} from './crossChecks.ts';
import {decodePlan} from './decode.ts';
import {
  MAX_DIAGNOSTICS,
  PLAN_START,
  type PlanDiagnostic,
  type PlanPosition,
  sortDiagnostics,
} from './diagnostics.ts';
import {evaluatePlan} from './evaluate.ts';
import {Locator} from './locate.ts';
import {type Plan, resolvePlan} from './plan.ts';
import {PlanFile} from './schema.ts';
import {issueDiagnostics, issueMessage} from './schemaIssues.ts';

export type PlanParse =
  | {
      readonly kind: 'plan';
      readonly plan: Plan;
      /** What was written, before defaults. */
      readonly file: PlanFile;
      readonly warnings: readonly PlanDiagnostic[];
      /** Where the value at a path such as `['tasks', 0, 'id']` is, or the nearest value around it. */
      positionOf(path: readonly PropertyKey[]): PlanPosition;
    }
  | {readonly kind: 'invalid'; readonly diagnostics: readonly PlanDiagnostic[]};

/** `beside`: the tasks are added to this plan, and may depend on its tasks. */
export function parsePlan(text: string, beside?: Plan): PlanParse {
  const composed = composePlan(text.startsWith('\uFEFF') ? text.slice(1) : text);
  if (composed.kind === 'invalid') return invalid(composed.diagnostics);
  const {contents, lines} = composed;
  if (contents === null)
    return invalid([documentError('the plan is empty: it needs at least "name" and "tasks"')]);
  const {value, aliases, problems} = evaluatePlan(contents, lines);
  if (problems.length > 0) return invalid(problems);

  const locator = new Locator(contents, aliases, lines);
  const parsed = PlanFile.safeParse(value, {error: issueMessage});
  if (!parsed.success)
    return invalid(
      parsed.error.issues.slice(0, MAX_DIAGNOSTICS).flatMap(issue => issueDiagnostics(issue, value, locator)),
    );
  const diagnostics = sortDiagnostics(crossChecks(parsed.data, locator, beside));
  if (diagnostics.some(diagnostic => diagnostic.severity === 'error')) return invalid(diagnostics);
  return {
    kind: 'plan',
    plan: resolvePlan(parsed.data, beside),
    file: parsed.data,
    warnings: diagnostics,
    positionOf: path => locator.value(path),
  };
}

/** As `parsePlan`, for the bytes of a file, which must be UTF-8. */
export function parsePlanBytes(bytes: Uint8Array, beside?: Plan): PlanParse {
  const decoded = decodePlan(bytes);
  return decoded.kind === 'text' ? parsePlan(decoded.text, beside) : invalid([decoded.diagnostic]);
}

function invalid(diagnostics: readonly PlanDiagnostic[]): PlanParse {
  return {kind: 'invalid', diagnostics: sortDiagnostics(diagnostics)};
}

function documentError(message: string): PlanDiagnostic {
  return {severity: 'error', field: '', message, position: PLAN_START};
}
