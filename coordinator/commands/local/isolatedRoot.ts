/** The folder of an isolated run: named by its session, so that whatever is left of it can be found. */
import {tmpdir} from 'node:os';
import path from 'node:path';

export function isolatedRoot(sessionId: string): string {
  return path.join(tmpdir(), `mcpx-isolated-${sessionId}`);
}
