/** The page's main in an editor's panel. */
import {vscodeHost} from './host/vscodeHost.ts';
import {mountApp} from './shell/app.ts';

const worker = document.querySelector<HTMLMetaElement>('meta[name="mcpx-worker"]')?.content ?? '';
mountApp(vscodeHost(worker));
