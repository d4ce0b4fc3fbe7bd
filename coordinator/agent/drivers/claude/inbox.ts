/** Messages on their way to a running Claude Code, in order, until the inbox is closed. */
import type {SDKUserMessage} from '@anthropic-ai/claude-agent-sdk';
import {type Deferred, deferred} from '../../../runtime/deferred.ts';

export class Inbox implements AsyncIterable<SDKUserMessage> {
  private readonly waiting: SDKUserMessage[] = [];
  private closed = false;
  private wake: Deferred<void> = deferred();

  /** `uuid` comes back on the result of the turn that took the message. */
  push(uuid: NonNullable<SDKUserMessage['uuid']>, text: string): void {
    this.waiting.push({
      type: 'user',
      uuid,
      parent_tool_use_id: null,
      message: {role: 'user', content: [{type: 'text', text}]},
    });
    this.wake.resolve();
  }

  /** Claude Code ends once it has worked off what was pushed. */
  close(): void {
    this.closed = true;
    this.wake.resolve();
  }

  get isClosed(): boolean {
    return this.closed;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SDKUserMessage> {
    for (;;) {
      const next = this.waiting.shift();
      if (next) yield next;
      else if (this.closed) return;
      else {
        this.wake = deferred();
        await this.wake.promise;
      }
    }
  }
}
