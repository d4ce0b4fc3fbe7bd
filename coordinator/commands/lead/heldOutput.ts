/** What we have to say while Claude Code has the terminal: it draws there, so it is kept until the terminal is ours again. */

/** The newest lines of more than these. */
const MAX_HELD = 1000;

export class HeldOutput {
  private held: string[] | undefined;

  constructor(private readonly write: (text: string) => void) {}

  say(text: string): void {
    if (this.held) this.held.push(text);
    else this.write(text);
    if (this.held && this.held.length > MAX_HELD) this.held.shift();
  }

  hold(): void {
    this.held ??= [];
  }

  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const text of held) this.write(text);
  }
}
