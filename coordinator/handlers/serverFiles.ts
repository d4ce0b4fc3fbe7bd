/** Files of MCP servers that a coordinator was started with: imported at its start and whenever they change. */
import {readFile, stat} from 'node:fs/promises';
import path from 'node:path';
import type {EndedLogin} from '../gateway/oauth/revocation.ts';
import type {ServerRecords} from '../gateway/serverRecords.ts';
import type {Logger} from '../observability/logger.ts';
import {isProtocolError} from '../protocol/errors.ts';
import {ImportError, type Imported, importServers} from '../protocol/servers/importServers.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {CoordinatorError, describeError, isCoordinatorError, systemErrorCode} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';

export interface ServerFilesOptions {
  /** Absolute paths. */
  readonly files: readonly string[];
  readonly coordinator: string;
  readonly records: ServerRecords;
  readonly register: (
    definition: unknown,
    source: {file: string; coordinator: string},
    principal: Principal,
  ) => Promise<unknown>;
  /** With the server that it was at, which the file names no more. */
  readonly onLoginEnded: (ended: EndedLogin) => void;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 1000;

export class ServerFiles implements Disposable {
  private readonly stamps = new Map<string, string>();
  private readonly owned = new DisposableStore();

  constructor(private readonly options: ServerFilesOptions) {}

  /** Throws `config` for a file that cannot be read or is none of servers; servers that are refused are said in the log. */
  async start(): Promise<void> {
    for (const file of this.options.files) await this.load(file);
    if (this.options.files.length > 0) this.lookAgain();
  }

  dispose(): void {
    this.owned.dispose();
  }

  private lookAgain(): void {
    const timer = this.options.clock.schedule(
      LOOK_MS,
      () => {
        this.owned.delete(timer);
        void this.look().finally(() => {
          if (!this.owned.isDisposed) this.lookAgain();
        });
      },
      {background: true},
    );
    this.owned.add(timer);
  }

  /** A file that is gone, or wrong while somebody writes it, changes nothing. */
  private async look(): Promise<void> {
    for (const file of this.options.files) {
      try {
        if ((await stampOf(file)) !== this.stamps.get(file)) await this.load(file);
      } catch (error) {
        if (isCoordinatorError(error, 'closed')) return;
        this.options.logger.warn('a file of MCP servers cannot be taken; the servers stay as they were', {
          file,
          error,
        });
      }
    }
  }

  private async load(file: string): Promise<void> {
    this.stamps.set(file, await stampOf(file));
    const {servers, refused} = await readServers(file, folderOf(file));
    const {records, logger, coordinator, tenant} = this.options;
    const principal: Principal = {id: `coordinator:${coordinator}`, tenant, role: 'coordinator'};
    const source = {file, coordinator};
    for (const {reason} of refused) logger.warn('an MCP server of a file is refused', {reason});
    const before = new Set(
      records
        .all()
        .filter(record => record.source?.file === file && record.source.coordinator === coordinator)
        .map(({definition}) => definition.name),
    );
    for (const definition of servers) {
      before.delete(definition.name);
      await this.options.register(definition, source, principal).catch((error: unknown) => {
        if (!isProtocolError(error) && !isCoordinatorError(error, 'config')) throw error;
        logger.warn('an MCP server of a file is refused', {
          server: definition.name,
          reason: describeError(error),
        });
      });
    }
    for (const name of before) {
      try {
        const ended = await records.remove(name, principal);
        if (ended) this.options.onLoginEnded(ended);
      } catch (error) {
        if (!isProtocolError(error, 'notFound')) throw error;
      }
    }
  }
}

/** `folder`: where processes run that do not say; undefined: where their coordinator has a place for them. Throws `config`. */
export async function readServers(file: string, folder: string | undefined): Promise<Imported> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new CoordinatorError('config', `cannot read ${file}`, {cause});
  }
  try {
    return importServers(text, file, folder);
  } catch (error) {
    // It says its cause itself.
    if (error instanceof ImportError) throw new CoordinatorError('config', error.message);
    throw error;
  }
}

/** Of the project that a file is about. */
export function folderOf(file: string): string {
  const folder = path.dirname(file);
  return path.basename(folder) === '.vscode' ? path.dirname(folder) : folder;
}

async function stampOf(file: string): Promise<string> {
  try {
    const {mtimeMs, size, ino} = await stat(file);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT')
      throw new CoordinatorError('config', `there is no file ${file}`, {cause});
    throw new CoordinatorError('config', `cannot read ${file}`, {cause});
  }
}
