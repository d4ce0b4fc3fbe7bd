/** Gathers the messages that are sent at once into one frame, a JSON-RPC batch, where the peer takes those: one frame for many messages instead of one each. */
import {Settling} from '../runtime/settling.ts';
import {MAX_BATCH} from './frame.ts';

/** Characters of one frame after which the next begins, so that its receiver need not wait for all of them. */
const FRAME_CHARS = 128 * 1024;

export class FrameGathering {
  private texts: string[] = [];
  private chars = 0;
  private readonly settling = new Settling(() => this.flush());

  /** `write` must not throw. */
  constructor(private readonly write: (frame: string) => void) {}

  /** Characters that have not been written yet. */
  get waiting(): number {
    return this.chars;
  }

  add(text: string): void {
    if (this.texts.length > 0 && (this.chars + text.length > FRAME_CHARS || this.texts.length === MAX_BATCH))
      this.flush();
    this.texts.push(text);
    this.chars += text.length;
    this.settling.touch();
  }

  flush(): void {
    const {texts} = this;
    const [first] = texts;
    if (first === undefined) return;
    this.texts = [];
    this.chars = 0;
    this.write(texts.length === 1 ? first : `[${texts.join(',')}]`);
  }
}
