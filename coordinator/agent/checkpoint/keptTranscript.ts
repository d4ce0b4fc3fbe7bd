/** The parts in which a conversation is kept at the coordinator: each checkpoint adds one, and small ones are written again together. */
import {readFile} from 'node:fs/promises';
import type {ArtifactSource} from '../../artifacts/artifactCache.ts';
import type {CheckpointPart} from '../../protocol/model/checkpoint.ts';
import {staying} from './foldedParts.ts';
import type {LedgerLine} from './ledger.ts';
import {encodeSegment} from './segment.ts';

export interface KeptTranscriptOptions {
  /** Each name of the worktree that the lines may have. */
  readonly worktree: readonly string[];
  readonly artifacts: ArtifactSource;
  /** Resolves to the digest once it is kept. */
  upload(content: Uint8Array, signal: AbortSignal): Promise<string>;
}

/** Larger parts are fetched back when they are folded, which is seldom. */
const REMEMBERED_BYTES = 1024 ** 2;

export class KeptTranscript {
  private readonly contents = new Map<string, Buffer>();

  constructor(
    private readonly options: KeptTranscriptOptions,
    private parts: readonly CheckpointPart[] = [],
  ) {}

  get bytes(): number {
    return bytesOf(this.parts);
  }

  /** The parts with `lines` behind them; they count once `commit` says so. */
  async with(lines: readonly LedgerLine[], signal: AbortSignal): Promise<CheckpointPart[]> {
    if (lines.length === 0) return [...this.parts];
    const added = await encodeSegment(lines, this.options.worktree);
    const sizes = this.parts.map(part => part.bytes);
    const kept = staying(sizes, added.length);
    const folded: Buffer[] = [];
    for (const part of this.parts.slice(kept)) folded.push(await this.contentOf(part, signal));
    const content = Buffer.concat([...folded, added]);
    const sha256 = await this.options.upload(content, signal);
    if (content.length <= REMEMBERED_BYTES) this.contents.set(sha256, content);
    return [...this.parts.slice(0, kept), {sha256, bytes: content.length}];
  }

  commit(parts: readonly CheckpointPart[]): void {
    this.parts = parts;
    const current = new Set(parts.map(({sha256}) => sha256));
    for (const sha256 of this.contents.keys()) if (!current.has(sha256)) this.contents.delete(sha256);
  }

  private contentOf({sha256}: CheckpointPart, signal: AbortSignal): Promise<Buffer> {
    const known = this.contents.get(sha256);
    return known
      ? Promise.resolve(known)
      : this.options.artifacts.use(sha256, file => readFile(file), signal);
  }
}

export function bytesOf(parts: readonly {readonly bytes: number}[]): number {
  return parts.reduce((sum, part) => sum + part.bytes, 0);
}
