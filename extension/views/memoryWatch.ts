/** Watches a session's shared memory over the window's connection. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import type {WatchMemory} from './model/sharedStateModel.ts';

export function memoryWatch(client: () => McpxClient | undefined): WatchMemory {
  return (sessionId, changed) => {
    const view = client()?.watch({view: 'memory', sessionId}, changed);
    return (
      view && {
        get rows() {
          return view.rows.values();
        },
        get isWhole() {
          return view.cursor !== undefined;
        },
        dispose: () => view.dispose(),
      }
    );
  };
}
