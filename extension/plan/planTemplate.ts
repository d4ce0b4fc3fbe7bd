/** The text of a new plan for a folder, with comments that say what to change. Pure. */
import {stringify} from 'yaml';
import type {ProjectGates} from './projectGates.ts';

export function planTemplate(name: string, {gates, setup, allow}: ProjectGates): string {
  return [
    ...head(name),
    ...(setup.length === 0
      ? []
      : [
          'workspace:',
          '  # Prepares each worktree; what it leaves in ignored files is cached.',
          `  setup: ${flow(setup)}`,
          '',
        ]),
    'defaults:',
    '  timeout: 30m',
    '  permissions:',
    '    mode: acceptEdits',
    '    # Commands that Claude Code may run without asking.',
    `    allow: ${flow(allow)}`,
    '',
    ...tasks(),
    ...end(gates),
  ].join('\n');
}

function head(name: string): string[] {
  return [
    '# A team of Claude Code instances works on these tasks, each in a worktree of its own. Your checkout stays as it is',
    '# until you accept the result.',
    `name: ${flow(name)}`,
    'budgetUsd: 5',
    '',
  ];
}

function tasks(): string[] {
  return [
    'tasks:',
    '  - id: first',
    '    title: One part of the work',
    '    prompt: |',
    '      Describe what is to be done, as you would to a colleague who knows the repository.',
    '',
    '  # Tasks that do not depend on each other run side by side.',
    '  - id: second',
    '    title: Another part',
    '    prompt: |',
    '      Describe a part that is independent of the first.',
    '',
    '  - id: together',
    '    title: What builds on both',
    '    dependsOn: [first, second]',
    '    prompt: |',
    '      This task begins with the merged results of the other two.',
    '',
  ];
}

function end(gates: ProjectGates['gates']): string[] {
  const intro = '# These run on the merged result of all tasks, which counts only if they succeed.';
  if (gates.length === 0)
    return [intro, '# gates:', '#   - name: tests', '#     command: your test command', ''];
  return [
    intro,
    'gates:',
    ...gates.flatMap(({name, command}) => [`  - name: ${flow(name)}`, `    command: ${flow(command)}`]),
    '',
  ];
}

/** On one line, quoted where YAML needs it. */
function flow(value: string | readonly string[]): string {
  return stringify(value, {collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false}).trimEnd();
}
