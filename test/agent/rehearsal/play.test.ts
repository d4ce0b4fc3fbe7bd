/** Which turn of a script answers which conversation. */
import assert from 'node:assert/strict';
import type {Step} from '../../../coordinator/agent/rehearsal/conversation.ts';
import {nextTurn, type Scene} from '../../../coordinator/agent/rehearsal/play.ts';
import {parseRehearsalScript} from '../../../coordinator/agent/rehearsal/script.ts';

const SCENE: Scene = {taskId: 't', attempt: 1, worktree: '/w', isSubagent: false};
const answered: Step = {kind: 'answered'};
const event: Step = {kind: 'event'};
const said = (text: string): Step => ({kind: 'said', text});

function answer(script: string, steps: readonly Step[], scene: Partial<Scene> = {}): string | undefined {
  const parsed = parseRehearsalScript(script, 'x.yaml');
  return nextTurn(parsed, {...SCENE, ...scene}, {marker: undefined, steps}).turn.text;
}

describe('rehearsal play', () => {
  const STEPS = `
tasks:
  t:
    turns: [One., Two., Three.]
    replies:
      - when: {promptContains: urgent}
        turns: [Reply one., Reply two.]
`;
  const ask = said('Do it.');
  const cases: {name: string; steps: Step[]; text: string}[] = [
    {name: 'begins with the first turn', steps: [ask], text: 'One.'},
    {name: 'goes on by what was answered', steps: [ask, answered, answered], text: 'Three.'},
    {name: 'goes on after an automatic message', steps: [ask, answered, event], text: 'Two.'},
    {
      name: 'answers a message in between and goes on after it',
      steps: [ask, answered, said('urgent!'), answered, answered],
      text: 'Two.',
    },
    {name: 'answers a message first', steps: [ask, answered, said('urgent!')], text: 'Reply one.'},
    {
      name: 'is not put off by a message it has no reply for',
      steps: [ask, answered, said('hello')],
      text: 'Two.',
    },
    {
      name: 'says so when the script is over',
      steps: [ask, answered, answered, answered],
      text: 'The script of this rehearsal ends here.',
    },
    {
      name: 'answers what is said after the end',
      steps: [ask, answered, answered, answered, said('More?')],
      text: 'No model was called: this is a rehearsal. It was asked: More?',
    },
  ];
  for (const {name, steps, text} of cases) it(name, () => assert.equal(answer(STEPS, steps), text));

  it('says what was asked where no script is', () => {
    assert.match(answer('tasks: {}', [ask]) ?? '', /No model was called.*Do it\./);
  });

  it('plays one entry an attempt, the last one for all later ones', () => {
    const script = 'tasks: {t: {attempts: [{turns: [First.]}, {turns: [Second.]}]}}';
    const texts = [1, 2, 3].map(attempt => answer(script, [ask], {attempt}));
    assert.deepEqual(texts, ['First.', 'Second.', 'Second.']);
  });

  it('plays the first case that holds', () => {
    const script = `
tasks:
  t:
    cases:
      - when: {promptContains: tests failed}
        turns: [I repair it.]
      - when: {attempt: 2}
        turns: [Once more.]
    turns: [Plain.]
`;
    assert.equal(answer(script, [said('The tests failed: x')]), 'I repair it.');
    assert.equal(answer(script, [ask], {attempt: 2}), 'Once more.');
    assert.equal(answer(script, [ask]), 'Plain.');
  });

  it('serves task ids by the longest beginning', () => {
    const script = 'tasks: {"part*": {turns: [Any.]}, "part-b*": {turns: [B.]}, part-a: {turns: [A.]}}';
    const texts = ['part-a', 'part-b1', 'part-c', 'other'].map(taskId => answer(script, [ask], {taskId}));
    assert.deepEqual(texts.slice(0, 3), ['A.', 'B.', 'Any.']);
    assert.match(texts[3] ?? '', /No model was called/);
  });

  it('plays subagents by their prompt', () => {
    const script = `
tasks:
  t:
    turns: [Main.]
    subagents:
      - when: {promptContains: tests}
        turns: [I test.]
      - turns: [I look.]
`;
    const isSubagent = true;
    assert.equal(answer(script, [said('run the tests')], {isSubagent}), 'I test.');
    assert.equal(answer(script, [said('anything')], {isSubagent}), 'I look.');
  });

  it('fills in places wherever a string is, and leaves other braces alone', () => {
    const script = parseRehearsalScript(
      `
tasks:
  t:
    turns:
      - text: "{{task}} {{attempt}} {{other}}"
        calls: [{tool: Write, input: {file_path: "{{worktree}}/a", deep: [{x: "{{prompt}}"}], n: 1}}]
`,
      'x.yaml',
    );
    const {turn} = nextTurn(script, SCENE, {marker: undefined, steps: [ask]});
    assert.deepEqual(turn, {
      text: 't 1 {{other}}',
      calls: [{tool: 'Write', input: {file_path: '/w/a', deep: [{x: 'Do it.'}], n: 1}}],
    });
  });
});
