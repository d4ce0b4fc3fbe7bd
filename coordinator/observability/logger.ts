/** Structured logs: one JSON object a line, or short text for a person. Secrets never reach a log: callers log ids. */
import {describeError} from '../runtime/errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = {debug: 0, info: 1, warn: 2, error: 3};

export interface LogSink {
  write(line: string): void;
}

export function createLogger(options: {
  sink: LogSink;
  level: LogLevel;
  format: 'json' | 'text';
  wallNow: () => number;
  fields?: LogFields;
}): Logger {
  const least = SEVERITY[options.level];
  const log = (level: LogLevel, message: string, fields?: LogFields): void => {
    if (SEVERITY[level] < least) return;
    const all: Record<string, unknown> = {...options.fields, ...fields};
    for (const [key, value] of Object.entries(all))
      if (value instanceof Error) all[key] = describeError(value);
    const time = new Date(options.wallNow()).toISOString();
    if (options.format === 'json') options.sink.write(JSON.stringify({time, level, message, ...all}));
    else options.sink.write(`${time.slice(11, 23)} ${level.padEnd(5)} ${message}${textFields(all)}`);
  };
  return {
    debug: (message, fields) => log('debug', message, fields),
    info: (message, fields) => log('info', message, fields),
    warn: (message, fields) => log('warn', message, fields),
    error: (message, fields) => log('error', message, fields),
    with: fields => createLogger({...options, fields: {...options.fields, ...fields}}),
  };
}

function textFields(fields: LogFields): string {
  const parts = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return parts.length > 0 ? ` ${parts.join(' ')}` : '';
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
};
