/** The host of a page as a test sees it: what the page sent, and what it is told. */
import type {FeedEvent} from '../../coordinator/client/feed/topics.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import type {PageHost} from '../../webview/host/pageHost.ts';
import type {FromPage, ToPage} from '../../webview/messages.ts';

export class RecordingHost implements PageHost {
  readonly sent: FromPage[] = [];
  readonly workerUrl = '';
  private readonly messages = new Emitter<ToPage>();
  readonly onMessage = this.messages.event;

  send(message: FromPage): void {
    this.sent.push(message);
  }

  tell(message: ToPage): void {
    this.messages.emit(message);
  }

  feed(topicId: string, generation: number, seq: number, event: FeedEvent): void {
    this.tell({kind: 'feed', message: {topicId, generation, seq, event}});
  }

  get opened(): string[] {
    return this.sent.flatMap(message => (message.kind === 'open' ? [message.topicId] : []));
  }
}
