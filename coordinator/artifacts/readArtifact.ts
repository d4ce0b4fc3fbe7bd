/** A whole artifact in memory: for plans and evidence, not for bundles. */
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactClient} from './artifactClient.ts';

/** Rejects as the download does. */
export async function readArtifact(artifacts: ArtifactClient, sha256: string): Promise<Uint8Array> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-artifact-'));
  try {
    const file = path.join(folder, sha256);
    await artifacts.download(sha256, file);
    return await readFile(file);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}
