/** Every pair of states has one transition or none; facts amount to states. */
import assert from 'node:assert/strict';
import {type AgentFacts, agentStatus} from '../../coordinator/pool/agentStatus.ts';
import {AGENT_TRANSITIONS, agentTransition} from '../../coordinator/pool/agentTransitions.ts';
import {type InstanceStatus, InstanceStatusValue} from '../../coordinator/protocol/instance.ts';

/** From (row) to (column); `-`: no such way. */
const TABLE = `
             idle     active   busy     maintenance offline unreachable
idle         -        begin    fill     hold        leave   silence
active       finish   -        fill     hold        leave   silence
busy         finish   free     -        hold        leave   silence
maintenance  release  release  release  -           leave   silence
offline      join     join     join     join        -       -
unreachable  return   return   return   return      leave   -
`;

describe('transitions of an agent', () => {
  const [header = '', ...rows] = TABLE.trim().split('\n');
  const columns = header.trim().split(/\s+/) as InstanceStatus[];
  for (const row of rows) {
    const [from = '', ...names] = row.split(/\s+/);
    for (const [at, name] of names.entries()) {
      const to = columns[at] as InstanceStatus;
      it(`${from} -> ${to}: ${name}`, () =>
        assert.equal(agentTransition(from as InstanceStatus, to) ?? '-', name));
    }
  }

  it('are tabled for every state, and never ambiguous', () => {
    assert.deepEqual([...columns].sort(), [...InstanceStatusValue.options].sort());
    assert.equal(rows.length, columns.length);
    for (const from of columns)
      for (const to of columns) {
        const names = Object.values(AGENT_TRANSITIONS).filter(
          transition => transition.from.includes(from) && transition.to.includes(to),
        );
        assert.ok(names.length <= 1, `${from} -> ${to}`);
      }
  });
});

describe('the state of an agent', () => {
  const IDLE: AgentFacts = {
    live: true,
    saidGoodbye: false,
    troubled: false,
    draining: false,
    paused: false,
    running: 0,
    slots: 2,
  };
  const cases: readonly (readonly [what: string, facts: Partial<AgentFacts>, status: InstanceStatus])[] = [
    ['is idle without work', {}, 'idle'],
    ['is active while it works and has slots left', {running: 1}, 'active'],
    ['is busy when every slot is taken', {running: 2}, 'busy'],
    ['is busy on probation with one attempt', {running: 1, slots: 1}, 'busy'],
    ['is in maintenance when it drains, whatever it works on', {draining: true, running: 2}, 'maintenance'],
    ['is in maintenance when it is paused', {paused: true}, 'maintenance'],
    [
      'is unreachable when it is not heard, even while it drains',
      {troubled: true, draining: true},
      'unreachable',
    ],
    ['is unreachable without a lease', {live: false}, 'unreachable'],
    ['is offline after a goodbye', {live: false, saidGoodbye: true, draining: true}, 'offline'],
  ];
  for (const [what, facts, status] of cases)
    it(what, () => assert.equal(agentStatus({...IDLE, ...facts}), status));
});
