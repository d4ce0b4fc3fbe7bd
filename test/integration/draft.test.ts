/** `mcpx plan draft`: the real Claude Code, rehearsed, drafts a plan, is told of its mistakes, and can change nothing. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const GOOD =
  'name: Greetings\ntasks:\n  - {id: greet, prompt: Add a greeting to README.md., gates: ["test -s README.md"]}\n';
const BAD = 'name: Greetings\ntasks:\n  - {id: greet, promt: Add a greeting., dependsOn: nobody}\n';
const fenced = (text: string): string => `Here it is.\n\n\`\`\`yaml\n${text}\`\`\`\n`;

const Drafted = z.strictObject({
  plan: z.string(),
  name: z.string(),
  tasks: z.number(),
  turns: z.number(),
  costUsd: z.number(),
  rehearsal: z.boolean(),
  warnings: z.array(z.unknown()),
});
const Failed = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    turns: z.number(),
    plan: z.string(),
    diagnostics: z.array(z.looseObject({message: z.string()})),
  }),
});

describe('mcpx plan draft', function () {
  this.timeout(120_000);
  let person: Person;
  let repository: UserRepository;
  beforeEach(() => {
    person = new Person();
    repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {'README.md': 'Hello\n'});
  });
  afterEach(() => person.leave());

  /** Outside the repository, so that it can be compared whole. */
  function script(turns: readonly unknown[], replies: readonly unknown[] = []): string {
    const file = path.join(person.root, 'draft.rehearsal.yaml');
    writeFileSync(file, JSON.stringify({tasks: {draft: {turns, replies}}}));
    return file;
  }
  const draft = (code: number, file: string, ...more: string[]) =>
    person.expect(code, ['plan', 'draft', 'Greet people.', '--rehearse', file, ...more], {
      cwd: repository.folder,
    });
  const line = (stdout: string): unknown => {
    assert.match(stdout, /^\{[^\n]*\}\n$/);
    return JSON.parse(stdout);
  };

  it('answers with the text of a plan, after a look at the repository that changes nothing in it', async () => {
    const file = script([
      {calls: [{tool: 'Read', input: {file_path: path.join(repository.folder, 'README.md')}}]},
      {
        calls: [
          {tool: 'Write', input: {file_path: path.join(repository.folder, 'evil.txt'), content: 'x'}},
          {tool: 'Bash', input: {command: 'touch evil.txt', description: 'Evil'}},
        ],
      },
      fenced(GOOD),
    ]);
    const before = repository.digest();
    const ended = await draft(0, file, '--json');
    const drafted = Drafted.parse(line(ended.stdout));
    assert.deepEqual([drafted.plan, drafted.name, drafted.tasks, drafted.turns], [GOOD, 'Greetings', 1, 1]);
    assert.equal(drafted.rehearsal, true);
    assert.match(ended.stderr, /^Read .*README\.md/m);
    assert.deepEqual(repository.digest(), before);
    assert.equal(person.endpoint, undefined, 'nothing was started');
    assert.equal((await draft(0, file)).stdout, GOOD);
  });

  it('lets it mend what is wrong, told with line and column', async () => {
    const file = script(
      [fenced(BAD)],
      [
        {when: {promptContains: 'plan:3:'}, turns: ['I forget the plan.']},
        {when: {promptContains: 'holds no plan'}, turns: [fenced(GOOD)]},
      ],
    );
    const drafted = Drafted.parse(line((await draft(0, file, '--json')).stdout));
    assert.deepEqual([drafted.plan, drafted.turns], [GOOD, 3]);
  });

  it('gives up after three drafts, with the last one and its mistakes', async () => {
    const file = script([fenced(BAD)], [{turns: [fenced(BAD)]}]);
    const ended = await draft(1, file, '--json');
    const {error} = Failed.parse(line(ended.stdout));
    assert.deepEqual([error.code, error.turns, error.plan], ['plan', 3, BAD]);
    assert.ok(
      error.diagnostics.some(({message}) => /promt/.test(message)),
      JSON.stringify(error.diagnostics),
    );
    assert.match(ended.stderr, /plan:3:\d+: error: /);
  });

  it('says what is in its way', async () => {
    const failing = await draft(1, script([{error: {status: 400, message: 'no credit'}}]), '--json');
    assert.match(failing.stdout, /"code":"claude".*no credit/);
    const unsigned = await person.expect(1, ['plan', 'draft', 'Greet.', '--json'], {cwd: repository.folder});
    assert.match(unsigned.stdout, /"code":"claude".*not signed in/);
    await person.expect(2, ['plan', 'draft', ' ', '--json']);
  });
});
