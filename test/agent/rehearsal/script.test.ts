/** Reading a rehearsal script: what is accepted, and where a mistake is reported. */
import assert from 'node:assert/strict';
import {parseRehearsalScript, rehearsalFileOf} from '../../../coordinator/agent/rehearsal/script.ts';

describe('rehearsal script', () => {
  it('takes short and long forms of a turn', () => {
    const script = parseRehearsalScript(
      `
tasks:
  a:
    turns:
      - Hello.
      - text: Writing.
        calls: [{tool: Write, input: {file_path: x}}]
`,
      'x.yaml',
    );
    assert.deepEqual(script.tasks['a']?.turns, [
      {text: 'Hello.'},
      {text: 'Writing.', calls: [{tool: 'Write', input: {file_path: 'x'}}]},
    ]);
  });

  it('takes an empty file', () => {
    assert.deepEqual(parseRehearsalScript('', 'x.yaml'), {tasks: {}});
  });

  const mistakes: {name: string; text: string; message: RegExp}[] = [
    {name: 'a syntax error', text: 'tasks:\n  a: [', message: /^x\.yaml:2:\d+: /},
    {
      name: 'an unknown key of a task',
      text: 'tasks:\n  a:\n    turn: [Hi.]\n',
      message: /^x\.yaml:3:5: tasks\.a: .*turn/,
    },
    {
      name: 'an unknown key of a turn',
      text: 'tasks:\n  a:\n    turns:\n      - Fine.\n      - txt: Hi.\n',
      message: /^x\.yaml:5:9: tasks\.a\.turns\.1: .*txt/,
    },
    {
      name: 'a wrong value deep inside',
      text: 'tasks:\n  a:\n    turns:\n      - error: {status: 200}\n',
      message: /^x\.yaml:4:25: tasks\.a\.turns\.0\.error\.status: /,
    },
    {
      name: 'a call without a tool',
      text: 'tasks:\n  a:\n    turns:\n      - calls:\n          - input: {}\n',
      message: /^x\.yaml:5:13: tasks\.a\.turns\.0\.calls\.0\.tool: /,
    },
  ];
  for (const {name, text, message} of mistakes) {
    it(`names line and column of ${name}`, () => {
      assert.throws(() => parseRehearsalScript(text, 'x.yaml'), {code: 'config', message});
    });
  }

  const files: [string, string][] = [
    ['/p/site.mcpx.yaml', '/p/site.rehearsal.yaml'],
    ['/p/site.mcpx.yml', '/p/site.rehearsal.yaml'],
    ['/p/site.json', '/p/site.rehearsal.yaml'],
    ['/p/v1.2.mcpx.json', '/p/v1.2.rehearsal.yaml'],
  ];
  for (const [plan, script] of files) {
    it(`lies beside ${plan}`, () => assert.equal(rehearsalFileOf(plan), script));
  }
});
