/** Our logger over the editor's log channel, which has levels of its own. */
import type * as vscode from 'vscode';
import type {LogFields, Logger} from '../coordinator/observability/logger.ts';
import {describeError} from '../coordinator/runtime/errors.ts';

export function channelLogger(channel: vscode.LogOutputChannel, fields: LogFields = {}): Logger {
  const text = (message: string, more?: LogFields): string => {
    const shown = Object.entries({...fields, ...more}).map(
      ([name, value]) => ` ${name}=${value instanceof Error ? describeError(value) : JSON.stringify(value)}`,
    );
    return message + shown.join('');
  };
  return {
    debug: (message, more) => channel.debug(text(message, more)),
    info: (message, more) => channel.info(text(message, more)),
    warn: (message, more) => channel.warn(text(message, more)),
    error: (message, more) => channel.error(text(message, more)),
    with: more => channelLogger(channel, {...fields, ...more}),
  };
}
