/** A command in a real pseudo-terminal, as a person has it: keys go in, and what was shown is looked for as text. */
import assert from 'node:assert/strict';
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

const HOST = fileURLToPath(new URL('terminal.py', import.meta.url));
const PATIENCE_MS = 90_000;
const ESCAPE = String.fromCharCode(27);
/** What moves the cursor and paints: titles and links, settings of the terminal, everything else that begins alike. */
const CONTROLS = new RegExp(
  `${ESCAPE}\\][^\\u0007${ESCAPE}]*(?:\\u0007|${ESCAPE}\\\\)|${ESCAPE}[[(][0-9;?<>=$]*[ -/]*[@-~]|${ESCAPE}.`,
  'g',
);

/** A control whose end is still to come. */
const UNFINISHED = new RegExp(`${ESCAPE}(?:[[(][0-9;?<>=$]*[ -/]*|\\][^\\u0007${ESCAPE}]*)?$`);

export const KEY = {
  enter: '\r',
  down: `${ESCAPE}[B`,
  interrupt: '\u0003',
  suspend: '\u001a',
  clearLine: '\u0005\u0015',
} as const;

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
}

export class Terminal {
  /** Of the command; 128 and more when a signal ended it. */
  readonly ended: Promise<number>;
  private readonly host: ChildProcess;
  private output = '';
  /** What was looked at already. */
  private seen = 0;
  private isOver = false;
  private listeners: (() => void)[] = [];

  constructor(command: readonly string[], {cwd, env, columns = 100, rows = 40}: TerminalOptions) {
    // Found in the tester's surroundings: the person's have no home for it.
    const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {encoding: 'utf8'});
    const args = [HOST, String(columns), String(rows), ...command];
    this.host = spawn(python.trim(), args, {
      cwd,
      env: {...env, TERM: 'xterm-256color'},
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.host.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.tell();
    });
    this.host.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.host.once('error', reject);
      this.host.once('close', code => {
        this.isOver = true;
        resolve(code ?? -1);
        this.tell();
      });
    });
  }

  type(text: string): void {
    this.order({type: text});
  }

  /** A line, once it stands in the terminal: keys that come in one go may be taken for a paste. */
  async say(text: string): Promise<void> {
    this.type(text);
    await this.saw(text);
    this.type(KEY.enter);
  }

  resize(columns: number, rows: number): void {
    this.order({resize: [columns, rows]});
  }

  /** As when its window is closed. */
  hangUp(): void {
    this.order({hangUp: true});
  }

  /** Everything that was shown, painting left out. */
  get text(): string {
    return plain(this.output);
  }

  /** Resolves once `words` have been shown since what was seen before. Blanks do not count: a terminal may move its cursor instead. */
  async saw(words: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.sawMatch(new RegExp(escaped(squeezed(words))), timeoutMs);
  }

  /** The same of a pattern, which blanks are no part of. */
  async sawMatch(pattern: RegExp, timeoutMs = PATIENCE_MS): Promise<RegExpExecArray> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const text = squeezed(plain(this.output));
      const match = pattern.exec(text.slice(this.seen));
      if (match) {
        this.seen += match.index + match[0].length;
        return match;
      }
      assert.ok(
        !this.isOver && performance.now() < until,
        `${pattern} was not shown:\n${this.text.slice(-6000)}`,
      );
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 500);
        this.listeners.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  private order(order: object): void {
    this.host.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  private tell(): void {
    for (const listener of this.listeners.splice(0)) listener();
  }
}

function plain(output: string): string {
  return output.replace(UNFINISHED, '').replace(CONTROLS, ' ').replace(/\r/g, '');
}

function squeezed(text: string): string {
  return text.replace(/\s+/g, '');
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
