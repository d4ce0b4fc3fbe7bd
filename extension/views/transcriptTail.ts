/** Follows the end of an attempt's transcript: what happened long ago is not read. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {type Disposable, toDisposable} from '../../coordinator/runtime/disposable.ts';
import type {FollowTranscript} from './model/openTranscripts.ts';

/** Events before the end that are read: fifty tool calls are usually among them. */
const TAIL = 400;

/** Nothing is followed without a coordinator. */
export function transcriptTail(client: () => McpxClient | undefined): FollowTranscript {
  return (attemptId, take) => {
    const connected = client();
    let watch: Disposable | undefined;
    let gone = false;
    let resolveWhole: () => void = () => undefined;
    const whole = new Promise<void>(resolve => {
      resolveWhole = resolve;
    });
    const follow = (lastSeq: number): void => {
      if (gone || !connected) return;
      const following = connected.transcript(attemptId, Math.max(1, lastSeq - TAIL + 1));
      watch = following;
      const told = (): void => {
        if (following.nextSeq > lastSeq) resolveWhole();
      };
      following.onEvents(({events}) => {
        take(events);
        told();
      });
      following.onEnd(resolveWhole);
      told();
    };
    if (connected)
      connected.request('mcpx.transcript.read', {attemptId, fromSeq: 1, limit: 1}, {retry: true}).then(
        ({lastSeq}) => follow(lastSeq),
        // The watch tries again by itself.
        () => {
          resolveWhole();
          follow(0);
        },
      );
    else resolveWhole();
    const stopped = toDisposable(() => {
      gone = true;
      watch?.dispose();
      resolveWhole();
    });
    return {whole, dispose: () => stopped.dispose()};
  };
}
