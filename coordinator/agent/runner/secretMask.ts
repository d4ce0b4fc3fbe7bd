/** Takes the values of secrets out of what leaves the machine: whatever a command prints or a tool is given. Pure. */
import type {ApprovalRequest} from '../../protocol/approval.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';

/** A shorter value would tear ordinary words apart, and protects nothing. */
const MIN_LENGTH = 6;

/** Holds back the end of the text while it may be the beginning of a secret. */
export interface MaskedStream {
  /** What may be shown now. */
  push(text: string): string;
  /** The rest: nothing follows. */
  end(): string;
}

export class SecretMask {
  private readonly pattern: RegExp | undefined;
  private readonly names = new Map<string, string>();
  private readonly values: readonly string[];

  constructor(secrets: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(secrets)) {
      if (value.length < MIN_LENGTH) continue;
      this.names.set(value, name);
      // Each line by itself too: a key of several lines is printed line by line.
      for (const line of value.split('\n')) if (line.trim().length >= MIN_LENGTH) this.names.set(line, name);
    }
    // The longest first: of two that begin alike it is the one that is meant.
    this.values = [...this.names.keys()].sort((a, b) => b.length - a.length);
    if (this.values.length > 0) this.pattern = new RegExp(this.values.map(escaped).join('|'), 'g');
  }

  get isNeeded(): boolean {
    return this.pattern !== undefined;
  }

  text(text: string): string {
    return this.pattern ? text.replace(this.pattern, value => this.nameOf(value)) : text;
  }

  /** For text that arrives in pieces. */
  stream(): MaskedStream {
    let held = '';
    const release = (text: string, decided: number): string => {
      let shown = '';
      let at = 0;
      for (const match of this.pattern ? text.matchAll(this.pattern) : []) {
        if (match.index >= decided) break;
        shown += text.slice(at, match.index) + this.nameOf(match[0]);
        at = match.index + match[0].length;
      }
      const until = Math.max(at, decided);
      held = text.slice(until);
      return shown + text.slice(at, until);
    };
    return {
      push: text => release(held + text, this.decided(held + text)),
      end: () => release(held, held.length),
    };
  }

  event(event: TranscriptEvent): TranscriptEvent {
    return this.pattern ? this.json(event) : event;
  }

  request(request: ApprovalRequest): ApprovalRequest {
    return this.pattern ? this.json(request) : request;
  }

  report(report: AttemptReport): AttemptReport {
    return this.pattern ? this.json(report) : report;
  }

  /** Any JSON: its strings, whatever they are. */
  value<T>(value: T): T {
    return this.pattern ? this.json(value) : value;
  }

  private nameOf(value: string): string {
    return `[${this.names.get(value) ?? 'secret'}]`;
  }

  /** Where the part of `text` begins in which a secret may go on that is not whole yet. */
  private decided(text: string): number {
    const longest = this.values[0]?.length ?? 0;
    for (let at = Math.max(0, text.length - longest + 1); at < text.length; at++) {
      const rest = text.slice(at);
      if (this.values.some(value => value.length > rest.length && value.startsWith(rest))) return at;
    }
    return text.length;
  }

  /** Strings at any depth, keys excepted: the shape stays. */
  private json<T>(value: T): T {
    if (typeof value === 'string') return this.text(value) as T;
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((each: unknown) => this.json(each)) as T;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, this.json<unknown>(inner)]),
    ) as T;
  }
}

export const NO_MASK = new SecretMask({});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
