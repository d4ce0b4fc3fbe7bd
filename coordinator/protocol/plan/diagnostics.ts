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
}

export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path)
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part)}`;
  return text;
}

/** `plan.mcpx.yaml:12:5: error: tasks[2].dependsOn[0]: no task is called "biuld"`. */
export function formatDiagnostic(file: string, diagnostic: PlanDiagnostic): string {
  const {line, column} = diagnostic.position;
  const field = diagnostic.field === '' ? '' : `${diagnostic.field}: `;
  return `${file}:${line}:${column}: ${diagnostic.severity}: ${field}${diagnostic.message}`;
}
