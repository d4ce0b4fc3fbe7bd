/** A page in an editor's panel: messages go to the extension, which holds the connection; the page opens none and sees no token. */
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {type FromPage, ToPage} from '../messages.ts';
import type {PageHost} from './pageHost.ts';

/** What VS Code gives a page; it may be taken once. */
interface EditorApi {
  postMessage(message: unknown): void;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): EditorApi;

export function vscodeHost(workerUrl: string): PageHost {
  const api = acquireVsCodeApi();
  const messages = new Emitter<ToPage>();
  window.addEventListener('message', ({data}: MessageEvent<unknown>) => {
    const parsed = ToPage.safeParse(data);
    if (parsed.success) messages.emit(parsed.data);
  });
  return {
    onMessage: messages.event,
    workerUrl,
    send(message: FromPage) {
      // The editor keeps this for the time when it shows the panel again.
      if (message.kind === 'state') api.setState(message.state);
      api.postMessage(message);
    },
  };
}
