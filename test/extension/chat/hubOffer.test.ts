/** Which hub the editor's own chat is offered, and when none. */
import assert from 'node:assert/strict';
import {hubOffer} from '../../../extension/chat/hubOffer.ts';
import type {Choice, EndpointAnswer, LinkState} from '../../../extension/connection/coordinatorLink.ts';

const ENDPOINT: EndpointAnswer = {
  url: 'ws://127.0.0.1:7800',
  others: undefined,
  token: 't',
  ca: undefined,
  coordinator: 'c-1',
  version: '1.2.3',
  started: false,
  skew: false,
  notice: undefined,
};
const LOCAL: Choice = {kind: 'local'};
const ALLOWED = {isEnabled: true, isTrusted: true};

/** Of a client whose connection is at `url` by now. */
function state(kind: 'connected' | 'reconnecting', url: string, ca?: string): LinkState {
  const client = {connection: {url}} as Extract<LinkState, {kind: 'connected'}>['client'];
  const endpoint = {...ENDPOINT, ca};
  return kind === 'connected' ? {kind, endpoint, client} : {kind, endpoint, client, error: new Error('cut')};
}

describe('the hub that is offered to the chat', () => {
  it("is that of this machine's coordinator, where its connection is by now", () => {
    assert.deepEqual(hubOffer(state('connected', 'ws://127.0.0.1:7801'), LOCAL, ALLOWED), {
      label: 'MCPX',
      url: 'http://127.0.0.1:7801/mcp',
      version: '1.2.3',
      subject: 'local',
      ca: undefined,
    });
  });

  it('has the name of its context, and the authority that the editor does not know', () => {
    const offer = hubOffer(
      state('connected', 'wss://far.example:7800', 'PEM'),
      {kind: 'context', name: 'far', token: undefined},
      ALLOWED,
    );
    assert.deepEqual(
      [offer?.label, offer?.url, offer?.subject, offer?.ca],
      ['MCPX (far)', 'https://far.example:7800/mcp', 'context:far', 'PEM'],
    );
  });

  it('stays while a connection that is cut is tried again', () => {
    const before = hubOffer(state('connected', 'ws://h:1'), LOCAL, ALLOWED);
    assert.deepEqual(hubOffer(state('reconnecting', 'ws://h:1'), LOCAL, ALLOWED), before);
  });

  const none: readonly (readonly [string, LinkState, typeof ALLOWED])[] = [
    ['nothing is connected', {kind: 'off'}, ALLOWED],
    ['it was stopped', {kind: 'stopped'}, ALLOWED],
    ['it could not be reached', {kind: 'failed', error: new Error('no')}, ALLOWED],
    ['the person does not want it', state('connected', 'ws://h:1'), {...ALLOWED, isEnabled: false}],
    ['the folder is not trusted', state('connected', 'ws://h:1'), {...ALLOWED, isTrusted: false}],
  ];
  for (const [when, link, conditions] of none)
    it(`is none where ${when}`, () => assert.equal(hubOffer(link, LOCAL, conditions), undefined));
});
