/** The plan in an answer of Claude Code, and what it is told of its mistakes. */
import assert from 'node:assert/strict';
import {correction, planGuide, planTextOf} from '../../../coordinator/commands/draft/draftTexts.ts';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';

const PLAN = 'name: n\ntasks:\n  - {id: a, run: x}\n';

describe('the plan in an answer', () => {
  const answers: [title: string, answer: string, plan: string | undefined][] = [
    ['is its only block', `Here:\n\`\`\`yaml\n${PLAN}\`\`\`\nThat is all.`, PLAN],
    [
      'is the last one of several',
      `\`\`\`sh\nnpm test\n\`\`\`\n\`\`\`\nold: plan\n\`\`\`\n\`\`\`yml\n${PLAN}\`\`\``,
      PLAN,
    ],
    ['may be the whole answer', PLAN, PLAN],
    [
      'may hold fences inside, where they are indented',
      `\`\`\`yaml\n${PLAN}  # \`\`\`\n\`\`\`\n`,
      `${PLAN}  # \`\`\`\n`,
    ],
    ['is missing from mere words', 'I would split it into two tasks.', undefined],
    ['is missing when its block does not end', `\`\`\`yaml\nfoo: 1\n`, undefined],
  ];
  for (const [title, answer, plan] of answers) it(title, () => assert.equal(planTextOf(answer), plan));
});

describe('what Claude Code is told', () => {
  it('has every mistake with its line', () => {
    const parsed = parsePlan('name: n\ntasks:\n  - {id: a, rum: x}\n  - {id: a, run: y}\n');
    assert.ok(parsed.kind === 'invalid');
    const text = correction(parsed.diagnostics);
    for (const {message} of parsed.diagnostics) assert.ok(text.includes(message));
    assert.match(text, /^plan:3:\d+: error: /m);
  });

  it('offers the keys of a task', () => {
    assert.match(planGuide(), /"dependsOn"/);
  });
});
