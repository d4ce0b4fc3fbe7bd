/** Messages with entries that one follower has not answered: a window limited in number and in bytes. */

interface Sent {
  readonly last: number;
  readonly bytes: number;
}

export class InFlight {
  private sent: Sent[] = [];
  private head = 0;
  private total = 0;

  constructor(
    private readonly maxMessages: number,
    private readonly maxBytes: number,
  ) {}

  get count(): number {
    return this.sent.length - this.head;
  }

  get bytes(): number {
    return this.total;
  }

  /** A message larger than the window may go when nothing else is on its way. */
  get full(): boolean {
    return this.count >= this.maxMessages || this.total >= this.maxBytes;
  }

  /** A message goes whose last entry is `last`. */
  add(last: number, bytes: number): void {
    this.sent.push({last, bytes});
    this.total += bytes;
  }

  /** The follower has everything up to `index`. */
  freeTo(index: number): void {
    for (let sent = this.sent[this.head]; sent && sent.last <= index; sent = this.sent[this.head]) {
      this.total -= sent.bytes;
      this.head += 1;
    }
    if (this.head * 2 < this.sent.length) return;
    this.sent = this.sent.slice(this.head);
    this.head = 0;
  }

  clear(): void {
    this.sent = [];
    this.head = 0;
    this.total = 0;
  }
}
