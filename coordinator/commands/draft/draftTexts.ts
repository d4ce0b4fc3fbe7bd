/** What Claude Code is told when it drafts a plan, and the plan in what it answers. Pure. */
import {formatDiagnostic, type PlanDiagnostic} from '../../protocol/plan/diagnostics.ts';
import {planJsonSchema} from '../../protocol/plan/jsonSchema.ts';

/** Blocks of any language: the end of one is not to be taken for the beginning of another. */
const FENCE = /^```([\w-]*)[ \t]*\n([\s\S]*?)^```[ \t]*$/gm;
const PLAN_LANGUAGES = new Set(['', 'yaml', 'yml']);

export function planGuide(): string {
  return `You draft a plan for a team of Claude Code instances that work at the same time, each in a clone of its own. Look at the repository first; you can read and search, and you change nothing.

A plan is YAML. Each task has an id and either a prompt (for one of the instances, which sees nothing but the repository and this prompt) or run (a shell command). A task starts from the merged results of the tasks in its dependsOn, and whatever it changes in the repository is its result. So:
- Split the goal where parts can be done independently, and let a task depend on another only where it needs its result. Tasks that run at the same time should not edit the same files.
- Write prompts that are whole by themselves: which files, which behaviour, how to tell that it is done.
- Give tasks gates: commands of this repository that must pass. Use only commands that exist here.
- As few tasks as serve the goal. No budgets or models unless the goal asks for them.

The JSON Schema of plans:
${JSON.stringify(planJsonSchema())}`;
}

export function draftRequest(goal: string): string {
  return `The goal:

${goal}

Draft the plan. End your answer with the whole plan in one block that begins with \`\`\`yaml.`;
}

/** The mistakes with the lines of the draft that they are in. */
export function correction(diagnostics: readonly PlanDiagnostic[]): string {
  const lines = diagnostics.map(diagnostic => formatDiagnostic('plan', diagnostic));
  return `The plan cannot be run:

${lines.join('\n')}

Mend it, and end your answer with the whole plan in one block that begins with \`\`\`yaml.`;
}

/** The last block of YAML in the answer, or all of it when it is nothing but a plan. */
export function planTextOf(answer: string): string | undefined {
  const blocks = [...answer.matchAll(FENCE)].filter(([, language = '']) => PLAN_LANGUAGES.has(language));
  const block = blocks.at(-1)?.[2];
  if (block !== undefined) return block;
  return /^name:/m.test(answer) && /^tasks:/m.test(answer) ? answer : undefined;
}
