/** Blobs in memory by their SHA-256, with a gate that holds writes and a count of them. */
import {createHash} from 'node:crypto';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {BlobSink, BlobSource} from '../../coordinator/transcripts/transcriptSegments.ts';

export class MemoryBlobs implements BlobSink, BlobSource {
  readonly stored = new Map<string, Uint8Array>();
  puts = 0;
  /** Thrown by writes while set. */
  failure: Error | undefined;
  /** Awaited by writes. */
  gate: Promise<void> = Promise.resolve();

  async put(bytes: Uint8Array): Promise<{sha256: string; bytes: number}> {
    this.puts += 1;
    await this.gate;
    if (this.failure) throw this.failure;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.stored.set(sha256, bytes);
    return {sha256, bytes: bytes.length};
  }

  async get(sha256: string): Promise<Uint8Array> {
    const bytes = this.stored.get(sha256);
    if (!bytes) throw new CoordinatorError('notFound', `no blob ${sha256}`);
    return bytes;
  }
}
