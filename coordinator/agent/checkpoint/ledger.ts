/**
 * The transcript of one conversation as it grows, and how much of it may be kept. Pure.
 *
 * A transcript is cut in the order in which Claude Code wrote it and nowhere else: whatever forks, compactions and rewinds are in it, a beginning of
 * the file is what the file once was, and Claude Code goes on from that after any crash. The conversation's own file is cut only where no tool call
 * is without its result, since such a call would be taken back; subagents' files are cut where they are.
 */
import {
  beginsTurn,
  callsOf,
  endsTurn,
  MAIN_FILE,
  resultsOf,
  type ToolCall,
  type TranscriptEntry,
} from './transcriptEntry.ts';

export interface LedgerLine {
  readonly file: string;
  readonly entry: TranscriptEntry;
}

export class Ledger {
  /** Not taken yet, all files in the order in which they came. */
  private fresh: LedgerLine[] = [];
  /** Of `fresh`, lines of the main file that may be taken. */
  private takable = 0;
  private mainLines = 0;
  private whole = true;
  private readonly open = new Map<string, Map<string, ToolCall>>();
  private readonly answered = new Set<string>();
  private readonly seen = new Set<string>();
  private takenCalls = 0;
  private freshCalls: {readonly file: string; readonly line: number}[] = [];

  /** What an earlier attempt left, which is kept already. */
  constructor(before: readonly LedgerLine[] = []) {
    for (const line of before) this.add(line.file, line.entry);
    this.take();
  }

  /** An entry that was told before is passed over. */
  add(file: string, entry: TranscriptEntry): void {
    if (entry.uuid !== undefined) {
      if (this.seen.has(entry.uuid)) return;
      this.seen.add(entry.uuid);
    }
    this.fresh.push({file, entry});
    const open = this.openIn(file);
    if (beginsTurn(entry)) open.clear();
    for (const call of callsOf(entry)) open.set(call.id, call);
    const results = resultsOf(entry);
    for (const id of results) {
      open.delete(id);
      this.answered.add(id);
      this.freshCalls.push({file, line: file === MAIN_FILE ? this.mainLines : 0});
    }
    if (file !== MAIN_FILE) return;
    this.mainLines += 1;
    if (results.length > 0 || beginsTurn(entry) || endsTurn(entry)) this.whole = open.size === 0;
    else if (entry.type === 'assistant') this.whole = false;
    if (this.whole) this.takable = this.mainLines;
  }

  /** Whether every one of these calls has its result here. */
  holds(calls: readonly string[]): boolean {
    return calls.every(id => this.answered.has(id));
  }

  /** Results that were taken, and those that may be. */
  get calls(): number {
    return this.takenCalls + this.freshCalls.filter(({file, line}) => this.mayTake(file, line)).length;
  }

  /** The conversation itself waits for no tool call. */
  get isWhole(): boolean {
    return this.whole;
  }

  /** Calls of subagents that have no result yet. */
  get openBeside(): ToolCall[] {
    return [...this.open].flatMap(([file, calls]) => (file === MAIN_FILE ? [] : [...calls.values()]));
  }

  /** Takes what may be kept and was not taken before. */
  take(): LedgerLine[] {
    const taken: LedgerLine[] = [];
    const left: LedgerLine[] = [];
    let line = 0;
    for (const each of this.fresh)
      (this.mayTake(each.file, each.file === MAIN_FILE ? line++ : 0) ? taken : left).push(each);
    this.takenCalls = this.calls;
    this.freshCalls = this.freshCalls
      .filter(({file, line: at}) => !this.mayTake(file, at))
      .map(({file, line: at}) => ({file, line: at - this.takable}));
    this.fresh = left;
    this.mainLines -= this.takable;
    this.takable = 0;
    return taken;
  }

  private mayTake(file: string, line: number): boolean {
    return file !== MAIN_FILE || line < this.takable;
  }

  private openIn(file: string): Map<string, ToolCall> {
    const known = this.open.get(file);
    if (known) return known;
    const made = new Map<string, ToolCall>();
    this.open.set(file, made);
    return made;
  }
}
