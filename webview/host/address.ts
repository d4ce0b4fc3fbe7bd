/** A page's place in the browser's address bar, and back: `#/graph/SESSION/TASK`. Pure. */
import {PageState} from '../messages.ts';

export function addressOf(state: PageState): string {
  switch (state.page) {
    case 'home':
    case 'draft':
      return '#/';
    case 'health':
      return '#/health';
    case 'graph':
      return state.taskId === undefined
        ? `#/graph/${state.sessionId}`
        : `#/graph/${state.sessionId}/${state.taskId}`;
    case 'session':
      return state.attemptId === undefined
        ? `#/session/${state.sessionId}`
        : `#/session/${state.sessionId}/${state.attemptId}`;
  }
}

/** An address that names no page is home. */
export function pageAt(hash: string): PageState {
  const [page = '', sessionId, item] = hash.replace(/^#\/?/, '').split('/');
  const named =
    page === 'graph'
      ? {page, sessionId, taskId: item}
      : page === 'session'
        ? {page, sessionId, attemptId: item}
        : {page};
  const parsed = PageState.safeParse(named);
  return parsed.success ? parsed.data : {page: 'home'};
}

/** `#token=…&to=/graph/S`: how a person is sent here with the right to look. */
export function tokenIn(given: string): {readonly token: string; readonly to: string} | undefined {
  // Who opens an address for somebody may escape its fragment whole.
  const hash = given.startsWith('#token%3D') ? unescaped(given) : given;
  if (!hash.startsWith('#token=')) return undefined;
  const parameters = new URLSearchParams(hash.slice(1));
  const token = parameters.get('token');
  return token === null || token === '' ? undefined : {token, to: `#${parameters.get('to') ?? '/'}`};
}

/** As it is where it was cut in the middle of an escape. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
