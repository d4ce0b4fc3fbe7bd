/** Tasks that a person adds to a session. */
import assert from 'node:assert/strict';
import {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {addedTask, suggestedId} from '../../../extension/plan/addedTask.ts';

describe('a task that is added', () => {
  it('has the defaults of any plan', () => {
    const [task] = addedTask({id: 'docs', work: 'prompt', text: 'Write docs.', dependsOn: ['api']});
    assert.deepEqual(JSON.parse(JSON.stringify(TaskSpecification.parse(task).work)), {
      kind: 'prompt',
      prompt: 'Write docs.',
      permissions: {mode: 'acceptEdits', allow: [], deny: []},
    });
    assert.deepEqual(task?.dependsOn, ['api']);
    const [command] = addedTask({id: 'build', work: 'run', text: 'make', dependsOn: []});
    assert.deepEqual(command?.work, {kind: 'run', command: 'make'});
  });

  it('is called by its first words, as nobody else is', () => {
    assert.equal(suggestedId('Write the docs of the API!', new Set()), 'write-the-docs-of');
    assert.equal(suggestedId('docs', new Set(['docs', 'docs-2'])), 'docs-3');
    assert.equal(suggestedId('…', new Set()), 'added');
  });
});
