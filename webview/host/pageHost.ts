/** What is around a page: an editor's window, or the browser's own script. The page cannot tell which, but for what `hello` says. */
import type {Event} from '../../coordinator/runtime/emitter.ts';
import type {FromPage, ToPage} from '../messages.ts';

export interface PageHost {
  /** Parsed. */
  readonly onMessage: Event<ToPage>;
  send(message: FromPage): void;
  /** Where the script of the layout worker is fetched from. */
  readonly workerUrl: string;
}
