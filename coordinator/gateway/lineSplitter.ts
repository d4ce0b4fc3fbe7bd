/** Lines of a stream of bytes, each with its end, however the stream was cut. */

const NEWLINE = 0x0a;

export class LineSplitter {
  /** Of the line that is not whole yet. */
  private parts: Buffer[] = [];
  private bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** The lines that are whole now. Throws where one is larger than allowed. */
  split(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.add(chunk.subarray(start, end + 1));
      lines.push(this.parts.length === 1 ? (this.parts[0] as Buffer) : Buffer.concat(this.parts));
      this.clear();
      start = end + 1;
    }
    if (start < chunk.length) this.add(chunk.subarray(start));
    return lines;
  }

  clear(): void {
    this.parts = [];
    this.bytes = 0;
  }

  private add(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > this.maxBytes) {
      this.clear();
      throw new Error(`a message is larger than ${this.maxBytes} bytes`);
    }
    this.parts.push(part);
  }
}
