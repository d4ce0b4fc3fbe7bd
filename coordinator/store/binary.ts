/** Reading and writing of our own little-endian binary records; what the fields mean belongs to the callers. */
import {CoordinatorError} from '../runtime/errors.ts';

/**
 * Writes records into slabs: `finish` returns a view of the slab, never a copy, and the next record follows it. A slab is dropped, not
 * reused, once it is full, so a returned view stays valid for as long as its holder keeps it.
 */
export class BinaryWriter {
  private buffer: Buffer;
  private start = 0;
  private end = 0;

  constructor(private readonly slabBytes = 256 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Bytes of the record under construction. */
  get length(): number {
    return this.end - this.start;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.end] = value;
    this.end += 1;
  }

  u32(value: number): void {
    this.reserve(4);
    this.end = this.buffer.writeUInt32LE(value, this.end);
  }

  /** An integer of up to 53 bits, negative ones included. */
  integer(value: number): void {
    this.reserve(8);
    this.end = this.buffer.writeDoubleLE(value, this.end);
  }

  /** UTF-8 behind its length. */
  text(value: string): void {
    this.reserve(4 + value.length * 3);
    const bytes = this.buffer.write(value, this.end + 4, 'utf8');
    this.buffer.writeUInt32LE(bytes, this.end);
    this.end += 4 + bytes;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** The record so far. */
  get written(): Buffer {
    return this.buffer.subarray(this.start, this.end);
  }

  /** The record, and the start of the next one. */
  finish(): Buffer {
    const record = this.buffer.subarray(this.start, this.end);
    this.start = this.end;
    return record;
  }

  /** Throws away the record under construction. */
  abandon(): void {
    this.end = this.start;
  }

  private reserve(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const written = this.end - this.start;
    const slab = Buffer.allocUnsafeSlow(Math.max(this.slabBytes, (written + bytes) * 2));
    this.buffer.copy(slab, 0, this.start, this.end);
    this.buffer = slab;
    this.start = 0;
    this.end = written;
  }
}

/** Reads what `BinaryWriter` wrote. Running over the end throws `corrupt`: the bytes passed a checksum, so their writer was wrong. */
export class BinaryReader {
  private readonly buffer: Buffer;

  constructor(
    bytes: Uint8Array,
    private offset = 0,
  ) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.offset >= this.buffer.length;
  }

  u8(): number {
    const at = this.take(1);
    return this.buffer.readUInt8(at);
  }

  u32(): number {
    const at = this.take(4);
    return this.buffer.readUInt32LE(at);
  }

  integer(): number {
    const at = this.take(8);
    return this.buffer.readDoubleLE(at);
  }

  text(): string {
    const length = this.u32();
    const at = this.take(length);
    return this.buffer.toString('utf8', at, at + length);
  }

  bytes(length: number): Buffer {
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  /** What is left; nothing after it. */
  rest(): Buffer {
    return this.bytes(this.buffer.length - this.offset);
  }

  private take(bytes: number): number {
    const at = this.offset;
    if (at + bytes > this.buffer.length)
      throw new CoordinatorError(
        'corrupt',
        `record ends at byte ${this.buffer.length}, ${bytes} more were expected`,
      );
    this.offset = at + bytes;
    return at;
  }
}
