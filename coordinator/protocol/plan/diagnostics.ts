/** What is wrong with a plan, and where: one list for the command line, the editor and the hub. */

/** Lines and columns count from 1; `end` is exclusive. */
export interface PlanPosition {
  readonly line: number;
  readonly column: number;
  readonly end: {readonly line: number; readonly column: number};
}

export interface PlanDiagnostic {
  readonly severity: 'error' | 'warning';
  /** The field, as a path such as `tasks[2].dependsOn[0]`; '' is the document. */
  readonly field: string;
  readonly message: string;
  readonly position: PlanPosition;
  /** What probably was meant to stand at the position; the message asks for it. */
  readonly suggestion?: string;
}

export const PLAN_START: PlanPosition = {line: 1, column: 1, end: {line: 1, column: 1}};

/** More would not be read. */
export const MAX_DIAGNOSTICS = 100;

const LONGEST_QUOTE = 60;

export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) {
    const name = String(part);
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[A-Za-z0-9_$-]{1,64}$/.test(name)) text += `[${quoted(name)}]`;
    else text += text === '' ? name : `.${name}`;
  }
  return text;
}

/** Text of the plan as a message may show it: in quotes, on one line, shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE - 1)}…` : text);
}

/** `plan.mcpx.yaml:12:5: error: tasks[2].dependsOn[0]: no task is called "biuld"`. */
export function formatDiagnostic(file: string, diagnostic: PlanDiagnostic): string {
  const {line, column} = diagnostic.position;
  const field = diagnostic.field === '' ? '' : `${diagnostic.field}: `;
  return `${file}:${line}:${column}: ${diagnostic.severity}: ${field}${diagnostic.message}`;
}

/** In order of position; further ones than `MAX_DIAGNOSTICS` are left out. */
export function sortDiagnostics(diagnostics: readonly PlanDiagnostic[]): PlanDiagnostic[] {
  return [...diagnostics]
    .sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column)
    .slice(0, MAX_DIAGNOSTICS);
}
