/** Lifetimes and events. */
import assert from 'node:assert/strict';
import {DisposableStore, toDisposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';

describe('a disposable store', () => {
  it('releases in reverse order, each once', () => {
    const store = new DisposableStore();
    const order: number[] = [];
    for (const index of [1, 2, 3]) store.add({dispose: () => void order.push(index)});
    store.dispose();
    store.dispose();
    assert.deepEqual(order, [3, 2, 1]);
    assert.ok(store.isDisposed);
  });

  it('releases at once what comes too late', () => {
    const store = new DisposableStore();
    store.dispose();
    let released = 0;
    store.add({dispose: () => void released++});
    assert.equal(released, 1);
  });

  it('releases one member early, and not again', () => {
    const store = new DisposableStore();
    let released = 0;
    const member = store.add({dispose: () => void released++});
    store.delete(member);
    store.delete(member);
    store.dispose();
    assert.equal(released, 1);
  });

  it('releases the others when one fails, and then says so', () => {
    const store = new DisposableStore();
    const order: string[] = [];
    store.add({dispose: () => void order.push('first')});
    store.add({
      dispose: () => {
        throw new Error('broken');
      },
    });
    store.add({dispose: () => void order.push('last')});
    assert.throws(
      () => store.dispose(),
      error =>
        error instanceof AggregateError && error.errors.length === 1 && error.errors[0].message === 'broken',
    );
    assert.deepEqual(order, ['last', 'first']);
  });

  it('may be added to while it releases', () => {
    const store = new DisposableStore();
    const released: boolean[] = [];
    store.add({dispose: () => void store.add({dispose: () => void released.push(true)})});
    store.dispose();
    assert.deepEqual(released, [true]);
  });
});

describe('toDisposable', () => {
  it('runs once', () => {
    let runs = 0;
    const disposable = toDisposable(() => void runs++);
    disposable.dispose();
    disposable.dispose();
    assert.equal(runs, 1);
  });
});

describe('an emitter', () => {
  it('calls listeners in order of registration, each registration once', () => {
    const emitter = new Emitter<number>();
    const heard: string[] = [];
    const twice = (value: number): void => void heard.push(`b${value}`);
    emitter.event(value => void heard.push(`a${value}`));
    const first = emitter.event(twice);
    emitter.event(twice);
    emitter.emit(1);
    first.dispose();
    emitter.emit(2);
    assert.deepEqual(heard, ['a1', 'b1', 'b1', 'a2', 'b2']);
  });

  it('lets listeners come and go while it emits', () => {
    const emitter = new Emitter<void>();
    let late = 0;
    const own = emitter.event(() => {
      own.dispose();
      emitter.event(() => void late++);
    });
    emitter.emit();
    assert.equal(late, 0);
    emitter.emit();
    assert.equal(late, 1);
  });

  it('is silent after it is disposed', () => {
    const emitter = new Emitter<void>();
    emitter.event(() => assert.fail('called'));
    assert.ok(emitter.hasListeners);
    emitter.dispose();
    assert.ok(!emitter.hasListeners);
    emitter.emit();
  });
});
