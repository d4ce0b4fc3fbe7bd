/** Takes the values of secrets out of what leaves the machine: whatever a command prints or a tool is given. Pure. */
import type {ApprovalRequest} from '../../protocol/approval.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';

/** A shorter value would tear ordinary words apart, and protects nothing. */
const MIN_LENGTH = 6;

export class SecretMask {
  private readonly pattern: RegExp | undefined;
  private readonly names = new Map<string, string>();

  constructor(secrets: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(secrets)) {
      if (value.length < MIN_LENGTH) continue;
      this.names.set(value, name);
      // Each line by itself too: a key of several lines is printed line by line.
      for (const line of value.split('\n')) if (line.trim().length >= MIN_LENGTH) this.names.set(line, name);
    }
    const values = [...this.names.keys()].sort((a, b) => b.length - a.length);
    if (values.length > 0) this.pattern = new RegExp(values.map(escaped).join('|'), 'g');
  }

  text(text: string): string {
    return this.pattern
      ? text.replace(this.pattern, value => `[${this.names.get(value) ?? 'secret'}]`)
      : text;
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
