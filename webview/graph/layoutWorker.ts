/** The worker that lays graphs out, so that the page stays quick. It is the page's own other half: what they say needs no check. */
import {layOut} from './layeredLayout.ts';
import type {Layout, LayoutRequest} from './layout.ts';

export interface LayoutJob extends LayoutRequest {
  readonly id: number;
}

export interface LayoutDone {
  readonly id: number;
  readonly layout: Layout;
}

self.addEventListener('message', ({data}: MessageEvent<LayoutJob>) => {
  const done: LayoutDone = {id: data.id, layout: layOut(data)};
  self.postMessage(done);
});
