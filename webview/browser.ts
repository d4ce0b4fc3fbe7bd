/** The page's main in a browser, where it is its own host. */
import {BrowserHost} from './host/browserHost.ts';
import {mountApp} from './shell/app.ts';
import {browserTheme} from './theme/browserTheme.ts';

const {styleSheet} = browserTheme;
if (styleSheet) document.adoptedStyleSheets.push(styleSheet);
const host = new BrowserHost();
mountApp(host, token => host.useToken(token));
