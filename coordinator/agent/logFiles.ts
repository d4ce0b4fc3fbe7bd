/** The disk as an append log uses it; tests make it fail. */
import {open, readFile} from 'node:fs/promises';
import {writeFileDurably} from '../runtime/durableFile.ts';
import {systemErrorCode} from '../runtime/errors.ts';

export interface LogFile {
  append(text: string): Promise<void>;
  datasync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

export interface LogFiles {
  /** Empty when there is no such file. */
  read(file: string): Promise<string>;
  /** At once and durably: the old content or the new is there, whatever happens. */
  replace(file: string, text: string): Promise<void>;
  /** To append to. */
  open(file: string): Promise<LogFile>;
}

export const realLogFiles: LogFiles = {
  async read(file) {
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return '';
      throw error;
    }
  },
  replace: (file, text) => writeFileDurably(file, text),
  async open(file) {
    const handle = await open(file, 'a', 0o600);
    return {
      append: text => handle.appendFile(text),
      datasync: () => handle.datasync(),
      truncate: bytes => handle.truncate(bytes),
      close: () => handle.close(),
    };
  },
};
