/** What a page is given by the frame around it. */
import type {PageFeed} from '../feed/pageFeed.ts';
import type {PageState} from '../messages.ts';

export interface PageContext {
  readonly feed: PageFeed;
  readonly workerUrl: string;
  readonly host: 'editor' | 'browser';
  /** What is shown now, for the next time. */
  remember(state: PageState): void;
}
