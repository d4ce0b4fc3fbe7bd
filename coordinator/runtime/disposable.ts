/** Lifetimes: an owner registers what it acquires and releases it in reverse order. */

export interface Disposable {
  dispose(): void;
}

export const noDisposable: Disposable = {dispose: () => undefined};

export function toDisposable(dispose: () => void): Disposable {
  let done = false;
  return {
    dispose() {
      if (done) return;
      done = true;
      dispose();
    },
  };
}

/** Disposes its members in reverse order of registration; what is registered too late is disposed at once. */
export class DisposableStore implements Disposable {
  private members: Disposable[] = [];
  private disposed = false;

  get isDisposed(): boolean {
    return this.disposed;
  }

  add<T extends Disposable>(member: T): T {
    if (this.disposed) member.dispose();
    else this.members.push(member);
    return member;
  }

  /** Releases one member before its owner goes. */
  delete(member: Disposable): void {
    const index = this.members.indexOf(member);
    if (index < 0) return;
    this.members.splice(index, 1);
    member.dispose();
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    const members = this.members.reverse();
    this.members = [];
    const errors: unknown[] = [];
    for (const member of members) {
      try {
        member.dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'disposing failed');
  }
}
