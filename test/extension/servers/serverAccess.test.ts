/** What everybody may use of an MCP server, and how a person changes that. */
import assert from 'node:assert/strict';
import type {AccessRule} from '../../../coordinator/protocol/model/server.ts';
import {
  type Access,
  type AccessChange,
  accessTo,
  type Decision,
  decided,
} from '../../../extension/views/model/serverAccess.ts';

describe('access to what a server offers', () => {
  const seen: readonly (readonly [string, readonly AccessRule[] | undefined, Access])[] = [
    ['nothing is said', undefined, 'allowed'],
    ['it is denied by name', [{deny: ['write']}], 'denied'],
    ['it is denied by a pattern', [{deny: ['wr*']}], 'denied'],
    ['only others are allowed', [{allow: ['read']}], 'denied'],
    ['one of several rules denies it', [{allow: ['*']}, {deny: ['write']}], 'denied'],
    ['agents may not', [{roles: ['agent'], deny: ['write']}], 'limited'],
    ['only one session may not', [{sessions: ['s-*'], allow: ['read']}], 'limited'],
    ['others are denied', [{deny: ['drop']}], 'allowed'],
  ];
  for (const [when, rules, access] of seen)
    it(`is ${access} where ${when}`, () => assert.equal(accessTo(rules, 'write'), access));

  const agents: AccessRule = {roles: ['agent'], deny: ['write']};
  const changes: readonly (readonly [string, AccessRule[], Decision, AccessChange])[] = [
    ['denies by a rule for all', [agents], 'deny', {kind: 'changed', access: [agents, {deny: ['write']}]}],
    [
      'adds to such a rule',
      [{deny: ['drop']}],
      'deny',
      {kind: 'changed', access: [{deny: ['drop', 'write']}]},
    ],
    [
      'leaves a list of what alone is allowed as it is',
      [{allow: ['wr*']}],
      'deny',
      {kind: 'changed', access: [{allow: ['wr*']}, {deny: ['write']}]},
    ],
    [
      'takes a denial back, and the rule with it',
      [{deny: ['write']}, agents],
      'allow',
      {kind: 'changed', access: [agents]},
    ],
    [
      'adds to what alone is allowed',
      [{allow: ['read'], deny: ['write', 'drop']}],
      'allow',
      {kind: 'changed', access: [{allow: ['read', 'write'], deny: ['drop']}]},
    ],
    ['does nothing where it is so', [{deny: ['wr*']}], 'deny', {kind: 'unchanged'}],
    [
      'lifts no denial that is about more',
      [{deny: ['write', 'wr*']}],
      'allow',
      {kind: 'byPattern', pattern: 'wr*'},
    ],
  ];
  for (const [what, access, decision, change] of changes)
    it(what, () => assert.deepEqual(decided({access}, 'write', decision), change));
});
