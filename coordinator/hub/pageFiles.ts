/**
 * The web pages' files over HTTP: the page at `/` and its scripts below `/web/`. They are the program's and hold no data, so they need no token;
 * everything that a page shows comes over its own, authorised connection.
 */
import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {fileURLToPath} from 'node:url';
import {systemErrorCode} from '../runtime/errors.ts';
import type {PublicRoute} from './httpFront.ts';

/** Path -> file in the folder, and what it is. Nothing else is served, so no path leads anywhere else. */
const FILES: ReadonlyMap<string, {readonly file: string; readonly type: string}> = new Map([
  ['/web/browser.js', {file: 'browser.js', type: 'text/javascript; charset=utf-8'}],
  ['/web/layoutWorker.js', {file: 'layoutWorker.js', type: 'text/javascript; charset=utf-8'}],
]);

const INDEX = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>MCPX</title>
<link rel="icon" href="data:,">
<script type="module" src="/web/browser.js"></script>
</head>
<body>
<noscript>MCPX needs JavaScript to show its pages.</noscript>
</body>
</html>
`;

const NOT_BUILT = `The web pages of this coordinator are not built: it runs without the folder "webview" beside its program.
Nothing else is affected. Build them with "npm run build", or use the command line or the editor.
`;

/** Scripts and connections of this origin alone; the layout runs in a worker made from a blob. Styles are constructed, none is inline. */
function contentSecurityPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    'img-src data:',
    'worker-src blob:',
    // Older browsers do not count sockets as their page's own origin.
    `connect-src 'self' ws://${host} wss://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Where the bundles are: beside the bundled program, or where the build puts them when the sources themselves run. */
export function webFolder(programUrl: string): string {
  return fileURLToPath(new URL(programUrl.endsWith('.ts') ? '../dist/webview/' : './webview/', programUrl));
}

/** `folder` ends with a slash. Its files are read anew each time: they are few, and a build may replace them. */
export function pageFiles(folder: string): PublicRoute {
  return async (request, response) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const known = FILES.get(path);
    const isIndex = path === '/' || path === '/index.html';
    if (!known && !isIndex) return false;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, {...HEADERS, allow: 'GET, HEAD'}).end('only GET and HEAD\n');
      return true;
    }
    const content = await read(`${folder}${known?.file ?? 'browser.js'}`);
    if (content === undefined) {
      response.writeHead(404, {...HEADERS, 'content-type': 'text/plain; charset=utf-8'}).end(NOT_BUILT);
    } else if (known) {
      answer(request, response, content, known.type);
    } else {
      response.setHeader('content-security-policy', contentSecurityPolicy(request.headers.host ?? ''));
      answer(request, response, Buffer.from(INDEX), 'text/html; charset=utf-8');
    }
    return true;
  };
}

const HEADERS = {
  'cache-control': 'no-cache',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

function answer(request: IncomingMessage, response: ServerResponse, content: Buffer, type: string): void {
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
  const headers = {...HEADERS, etag, 'content-type': type};
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, {...headers, 'content-length': content.length});
  response.end(request.method === 'HEAD' ? undefined : content);
}

async function read(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
