/** The past of a session as a page reads it: what could not be read is read later, and nobody is told of an old failure. */
import assert from 'node:assert/strict';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {PageFeed} from '../../webview/feed/pageFeed.ts';
import type {PageHost} from '../../webview/host/pageHost.ts';
import type {FromPage, ToPage} from '../../webview/messages.ts';
import {PastSession} from '../../webview/session/pastSession.ts';

type Outcome = Extract<ToPage, {kind: 'answered'}>['outcome'];

/** Answers questions in the order in which they come. */
class AnsweringHost implements PageHost {
  readonly workerUrl = '';
  private readonly messages = new Emitter<ToPage>();
  readonly onMessage = this.messages.event;

  constructor(private readonly outcomes: Outcome[]) {}

  send(message: FromPage): void {
    if (message.kind !== 'query') return;
    const outcome = this.outcomes.shift();
    assert.ok(outcome, 'one question too many');
    queueMicrotask(() => this.messages.emit({kind: 'answered', id: message.id, outcome}));
  }
}

const CUT: Outcome = {kind: 'failed', message: 'the connection was cut'};
const marks = (...revisions: number[]): Outcome => ({
  kind: 'done',
  value: {
    marks: revisions.map(revision => ({revision, at: revision, kind: 'session', id: 's-1'})),
    upTo: revisions.at(-1),
  },
});
const rowsAt = (revision: number): Outcome => ({
  kind: 'done',
  value: {revision, at: revision, rows: [], total: 0, transcripts: []},
});

describe('the past of a session on a page', () => {
  const pastOf = (...outcomes: Outcome[]): PastSession =>
    new PastSession(new PageFeed(new AnsweringHost(outcomes)), 's-1', () => undefined);

  it('is read on from where it was cut', async () => {
    const past = pastOf(marks(1, 2), CUT, marks(3));
    await past.readMoments();
    await past.readMoments();
    assert.equal(past.failure, 'the connection was cut');
    await past.readMoments();
    assert.equal(past.failure, undefined);
    assert.deepEqual(
      past.moments.map(({revision}) => revision),
      [1, 2, 3],
    );
  });

  it('is shown after a look at it that failed, and the failure is over then', async () => {
    const past = pastOf(CUT, rowsAt(2));
    await past.show(2);
    assert.deepEqual([past.shown, past.failure], [undefined, 'the connection was cut']);
    await past.show(2);
    assert.deepEqual([past.shown?.revision, past.failure], [2, undefined]);
  });
});
