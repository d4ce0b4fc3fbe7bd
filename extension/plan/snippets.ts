/** Pieces of plans to fill in. In the editor's syntax of snippets. Pure. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax of snippets

export interface PlanSnippet {
  readonly label: string;
  readonly detail: string;
  readonly body: string;
}

export const PLAN_SNIPPET: PlanSnippet = {
  label: 'plan',
  detail: 'A plan with one task and a gate',
  body: [
    'name: ${1:my-plan}',
    'budgetUsd: ${2:5}',
    'defaults:',
    '  timeout: ${3:30m}',
    '',
    'tasks:',
    '  - id: ${4:first}',
    '    prompt: |',
    '      ${5:What Claude Code is to do.}',
    '    gates:',
    '      - ${6:npm test}',
    '',
  ].join('\n'),
};

/** Entries of `tasks`. */
export const TASK_SNIPPETS: readonly PlanSnippet[] = [
  {
    label: 'prompt task',
    detail: 'A task for Claude Code',
    body: '- id: ${1:task}\n  title: ${2:What it brings}\n  prompt: |\n    ${3:What is to be done.}',
  },
  {
    label: 'run task',
    detail: 'A task that is a shell command',
    body: '- id: ${1:task}\n  run: ${2:npm run build}',
  },
  {
    label: 'fan-out and fan-in',
    detail: 'Two tasks side by side, and one that builds on both',
    body: [
      '- id: ${1:first}',
      '  prompt: |',
      '    ${2:One part of the work.}',
      '',
      '- id: ${3:second}',
      '  prompt: |',
      '    ${4:Another part, independent of the first.}',
      '',
      '- id: ${5:together}',
      '  dependsOn: [$1, $3]',
      '  prompt: |',
      '    ${6:What builds on both.}',
    ].join('\n'),
  },
];

const GATE_SNIPPET: PlanSnippet = {
  label: 'gate',
  detail: 'A command that must succeed before the result counts',
  body: '- name: ${1:tests}\n  command: ${2:npm test}\n  onFailure: ${3|retry,fail|}',
};

/** Entries of `gates`, by what judges. */
export const GATE_SNIPPETS: readonly PlanSnippet[] = [
  GATE_SNIPPET,
  {
    label: 'coverage gate',
    detail: 'A number that must be within bounds',
    body: '- name: ${1:coverage}\n  type: threshold\n  command: ${2:npm run coverage}\n  report: ${3:coverage/lcov.info}\n  metric: ${4|lines,branches,functions,statements|}\n  min: ${5:80}',
  },
  {
    label: 'schema gate',
    detail: 'A file that must fit a JSON Schema',
    body: '- name: ${1:shape}\n  type: schema\n  schema: ${2:schema.json}\n  file: ${3:result.json}',
  },
  {
    label: 'review gate',
    detail: 'Another agent reads the change',
    body: '- name: ${1:review}\n  type: review\n  prompt: ${2:What to look at above all.}',
  },
  {
    label: 'approval gate',
    detail: 'A person says whether the result counts',
    body: '- name: ${1:sign-off}\n  type: approval\n  message: ${2:What is asked.}',
  },
];
