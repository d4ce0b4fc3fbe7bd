/** Files of a scheme whose provider is not there yet: asked for when the editor asks for one of them. */
import * as vscode from 'vscode';

export class DeferredFiles implements vscode.FileSystemProvider, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  private found: Promise<vscode.FileSystemProvider> | undefined;
  private following: vscode.Disposable | undefined;

  readonly onDidChangeFile = this.changes.event;

  constructor(private readonly find: () => Promise<vscode.FileSystemProvider>) {}

  dispose(): void {
    this.following?.dispose();
    this.changes.dispose();
  }

  watch(
    uri: vscode.Uri,
    options: {readonly recursive: boolean; readonly excludes: readonly string[]},
  ): vscode.Disposable {
    let isWanted = true;
    let watching: vscode.Disposable | undefined;
    // Whoever reads the file is told why it cannot be had.
    this.provider().then(
      provider => {
        if (isWanted) watching = provider.watch(uri, options);
      },
      () => undefined,
    );
    return new vscode.Disposable(() => {
      isWanted = false;
      watching?.dispose();
    });
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    return (await this.provider()).stat(uri);
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    return (await this.provider()).readDirectory(uri);
  }

  async createDirectory(uri: vscode.Uri): Promise<void> {
    await (await this.provider()).createDirectory(uri);
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return (await this.provider()).readFile(uri);
  }

  async writeFile(
    uri: vscode.Uri,
    content: Uint8Array,
    options: {readonly create: boolean; readonly overwrite: boolean},
  ): Promise<void> {
    await (await this.provider()).writeFile(uri, content, options);
  }

  async delete(uri: vscode.Uri, options: {readonly recursive: boolean}): Promise<void> {
    await (await this.provider()).delete(uri, options);
  }

  async rename(from: vscode.Uri, to: vscode.Uri, options: {readonly overwrite: boolean}): Promise<void> {
    await (await this.provider()).rename(from, to, options);
  }

  private provider(): Promise<vscode.FileSystemProvider> {
    this.found ??= this.find().then(
      provider => {
        this.following = provider.onDidChangeFile(events => this.changes.fire(events));
        return provider;
      },
      (error: unknown) => {
        this.found = undefined;
        throw error;
      },
    );
    return this.found;
  }
}
