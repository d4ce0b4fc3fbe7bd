/** Waiting for what VS Code tells by its events. */
import type * as vscode from 'vscode';
import {within} from '../../support/waiting.ts';

const LIMIT_MS = 60_000;

/** Resolves with the first defined answer of `look`, now or after an event. */
export async function settled<T>(
  event: vscode.Event<unknown>,
  look: () => T | undefined,
  what: string | (() => string),
  limitMs = LIMIT_MS,
): Promise<T> {
  let subscription: vscode.Disposable | undefined;
  const answer = new Promise<T>(resolve => {
    const check = (): void => {
      const found = look();
      if (found !== undefined) resolve(found);
    };
    subscription = event(check);
    check();
  });
  try {
    return await within(answer, limitMs, what);
  } finally {
    subscription?.dispose();
  }
}

/** Resolves with the first event that fits. Call it before what causes the event. */
export function nextEvent<T>(
  event: vscode.Event<T>,
  fits: (value: T) => boolean,
  what: string,
  limitMs = LIMIT_MS,
): Promise<T> {
  let last: T | undefined;
  const keep = (listener: () => void): vscode.Disposable =>
    event(value => {
      if (fits(value)) last = value;
      listener();
    });
  return settled(keep as vscode.Event<unknown>, () => last, what, limitMs);
}
