/** A seeded generator of what a hub should never have to read: malformed, truncated, oversized and out-of-order frames, among good ones. */

import {METHODS} from '../../coordinator/protocol/commands/table.ts';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import type {Random} from '../../coordinator/runtime/random.ts';

export interface FuzzFrame {
  readonly text: string;
  /** The error that has to come back: with the id of a request, or without one. `any` where the method decides. */
  readonly expect:
    | {readonly kind: 'error'; readonly id: string | number | undefined; readonly code: number}
    | {readonly kind: 'answer'; readonly id: string | number}
    | {readonly kind: 'silence'};
}

const METHOD_NAMES = Object.keys(METHODS);

export class FrameFuzzer {
  private nextId = 1;

  constructor(private readonly random: Random) {}

  next(): FuzzFrame {
    const makers = [
      () => this.truncated(),
      () => this.truncated(),
      () => this.garbage(),
      () => this.notAMessage(),
      () => this.wrongMembers(),
      () => this.unknownResponse(),
      () => this.badParams(),
      () => this.badParams(),
      () => this.unknownMethod(),
      () => this.deep(),
      () => this.strayNotification(),
      () => this.good(),
    ];
    return (makers[this.below(makers.length)] ?? makers[0] ?? (() => this.good()))();
  }

  private truncated(): FuzzFrame {
    const text = JSON.stringify({
      jsonrpc: '2.0',
      id: this.id(),
      method: 'ping',
      params: {a: 'ü"\\', b: [1, 2]},
    });
    return malformed(text.slice(0, 1 + this.below(text.length - 1)));
  }

  private garbage(): FuzzFrame {
    const alphabet = '{}[]",:\\ \u0000\u00e9\ud83d\ude00 jsonrpc2.0idmethod';
    let text = '';
    for (let left = 1 + this.below(60); left > 0; left--)
      text += [...alphabet][this.below([...alphabet].length)] ?? '';
    return isJson(text) ? this.truncated() : malformed(text);
  }

  private notAMessage(): FuzzFrame {
    const values = [
      null,
      true,
      0,
      'ping',
      [],
      [[]],
      [{jsonrpc: '2.0', id: 1, method: 'ping'}],
      {},
      {jsonrpc: '2.0'},
    ];
    return invalid(JSON.stringify(values[this.below(values.length)] ?? null), undefined);
  }

  private wrongMembers(): FuzzFrame {
    const id = this.id();
    const good = {jsonrpc: '2.0', id, method: 'ping'};
    const cases: [object, string | number | undefined, number][] = [
      [{...good, jsonrpc: '1.0'}, id, ERROR_CODES.invalidRequest],
      [{...good, jsonrpc: undefined}, id, ERROR_CODES.invalidRequest],
      [{...good, method: {}}, id, ERROR_CODES.invalidRequest],
      [{...good, id: null}, undefined, ERROR_CODES.invalidRequest],
      [{...good, id: {}}, undefined, ERROR_CODES.invalidRequest],
      [{...good, id: 1e300}, undefined, ERROR_CODES.invalidRequest],
      [{...good, params: 'text'}, id, ERROR_CODES.invalidParams],
      [{...good, params: null}, id, ERROR_CODES.invalidParams],
      [{...good, result: {}}, id, ERROR_CODES.invalidRequest],
      [{...good, ['__proto__x']: 1}, id, ERROR_CODES.invalidRequest],
      [{...good, params: {_meta: 'x'}}, id, ERROR_CODES.invalidRequest],
      [{...good, params: {_meta: {progressToken: {}}}}, id, ERROR_CODES.invalidRequest],
    ];
    const [frame, expectedId, code] = cases[this.below(cases.length)] ?? [good, id, 0];
    return {text: JSON.stringify(frame), expect: {kind: 'error', id: expectedId, code}};
  }

  private unknownResponse(): FuzzFrame {
    const id = this.below(2) === 0 ? 1_000_000 + this.below(1000) : `r${this.below(1000)}`;
    const error = {code: this.below(100), message: 'no'};
    return invalid(
      JSON.stringify({jsonrpc: '2.0', id, ...(this.below(2) === 0 ? {result: {}} : {error})}),
      undefined,
    );
  }

  /** Parameters that no method takes; whether the method is served or allowed at all comes first. */
  private badParams(): FuzzFrame {
    const id = this.id();
    const method = METHOD_NAMES[this.below(METHOD_NAMES.length)] ?? '';
    const values = [
      {},
      {sessionId: 7},
      {agentId: '../../x'},
      {attemptId: 'x'.repeat(300)},
      {selector: {view: 'all'}},
    ];
    const params = values[this.below(values.length)];
    return {text: JSON.stringify({jsonrpc: '2.0', id, method, params}), expect: {kind: 'answer', id}};
  }

  private unknownMethod(): FuzzFrame {
    const id = this.id();
    const names = ['mcpx.', 'mcpx.no.such', 'tools/call', 'constructor', '__proto__', 'hasOwnProperty', ''];
    const method = names[this.below(names.length)] ?? '';
    return {
      text: JSON.stringify({jsonrpc: '2.0', id, method}),
      expect: {kind: 'error', id, code: ERROR_CODES.methodNotFound},
    };
  }

  private deep(): FuzzFrame {
    const id = this.id();
    const depth = 50 + this.below(8000);
    const value = '['.repeat(depth) + ']'.repeat(depth);
    const params = `{"sessionId":"s","key":"k","value":${value}}`;
    return {
      text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"mcpx.memory.put","params":${params}}`,
      expect: {kind: 'answer', id},
    };
  }

  private strayNotification(): FuzzFrame {
    const names = [
      'notifications/cancelled',
      'notifications/progress',
      'mcpx.watch.event',
      'mcpx.health.check',
      'x',
    ];
    const method = names[this.below(names.length)] ?? '';
    const params =
      this.below(2) === 0 ? {} : {requestId: this.below(1e6), progressToken: this.below(1e6), progress: 1};
    return {text: JSON.stringify({jsonrpc: '2.0', method, params}), expect: {kind: 'silence'}};
  }

  private good(): FuzzFrame {
    const id = this.id();
    return {text: JSON.stringify({jsonrpc: '2.0', id, method: 'ping'}), expect: {kind: 'answer', id}};
  }

  private id(): string | number {
    const number = this.nextId++;
    return this.below(3) === 0 ? `id-${number}` : number;
  }

  private below(limit: number): number {
    return Math.floor(this.random.next() * limit);
  }
}

function malformed(text: string): FuzzFrame {
  return {text, expect: {kind: 'error', id: undefined, code: ERROR_CODES.parse}};
}

function invalid(text: string, id: string | number | undefined): FuzzFrame {
  return {text, expect: {kind: 'error', id, code: ERROR_CODES.invalidRequest}};
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
