/** Why a task ran where it did, as a person reads it. */
import assert from 'node:assert/strict';
import {placementsOf} from '../../coordinator/client/report/placements.ts';
import {placementMarkdown} from '../../extension/documents/placementMarkdown.ts';
import {NOW, RowsInMemory} from './rowsInMemory.ts';

describe('the explanation of a placement', () => {
  const explained = (rows: RowsInMemory, taskId: string): string => {
    const found = placementsOf(rows.openSession('s').mirror.rows.values(), taskId);
    assert.ok(found);
    return placementMarkdown(found, rows.words);
  };

  it('has each attempt, the newest first, with the scores of who was looked at', () => {
    const rows = new RowsInMemory();
    rows.putTasks('s', [{id: 'build', state: 'running', attempts: 2}]);
    rows.putAttempt('s', 'build', 2, {
      agentId: 'b_2',
      assignedAt: NOW,
      placement: {
        strategy: 'ai-optimized',
        score: -71.00071,
        features: {expectedMs: 71_000.25, warm: 1},
        considered: 2,
        others: [{agentId: 'a-1', score: -90, features: {expectedMs: 80_000, waitMs: 9000}}],
        seed: 7,
      },
    });
    rows.putAttempt('s', 'build', 1, {state: 'ended', outcome: 'lost', assignedAt: NOW});
    rows.putAttempt('s', 'other', 1);
    assert.equal(
      explained(rows, 'build'),
      `# Placement of build

## Attempt 2 on b\\_2, running

Placed: 15 Jun 2026, 12:00:00

- b\\_2 was chosen by ai-optimized among 2 agents that could take it.
- It had worked on this repository lately: no set-up.
- Next was a-1, score -90.00 against -71.00 (busy for another 9 s, 80 s from its start).
- Seed 7, inputs unknown.

| Agent         | Score | expectedMs | warm | waitMs |
| ------------- | ----: | ---------: | ---: | -----: |
| b\\_2 (chosen) |   -71 |      71000 |    1 |        |
| a-1           |   -90 |      80000 |      |   9000 |

## Attempt 1 on a-1, lost

Placed: 15 Jun 2026, 12:00:00

- How it was placed is not recorded.
`,
    );
  });

  it('says what a task waits for that was not placed yet', () => {
    const rows = new RowsInMemory();
    rows.putTasks('s', [
      {id: 'build', state: 'ready', waitingFor: {kind: 'agent', message: 'no agent has gpu'}},
      {id: 'last'},
    ]);
    assert.equal(explained(rows, 'build'), '# Placement of build\n\nIt waits: no agent has gpu\n');
    assert.equal(explained(rows, 'last'), '# Placement of last\n\nIt was not placed yet.\n');
  });
});
