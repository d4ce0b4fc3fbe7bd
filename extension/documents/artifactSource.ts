/** Artifacts as files for as long as somebody reads them: what is made of them is kept, they are not. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {ArtifactSource} from '../../coordinator/artifacts/artifactCache.ts';
import type {ArtifactClient} from '../../coordinator/artifacts/artifactClient.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';

/** `client` is asked for each time: the window may be connected to another coordinator by then. */
export function artifactSource(client: () => ArtifactClient | undefined): ArtifactSource {
  return {
    use: async (sha256, read, signal) => {
      const artifacts = client();
      if (!artifacts) throw new CoordinatorError('unavailable', 'no coordinator is connected');
      const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-artifact-'));
      try {
        const file = path.join(folder, sha256);
        await artifacts.download(sha256, file, signal);
        return await read(file);
      } finally {
        await rm(folder, {recursive: true, force: true});
      }
    },
  };
}
