/** What every element of ours is made from: the shared styles, and what it holds is released with it. */
import {type CSSResultGroup, LitElement} from 'lit';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {shared} from '../theme/tokens.ts';

export class McpxElement extends LitElement {
  static override styles: CSSResultGroup = shared;

  /** Released when the element leaves the page. */
  protected held = new DisposableStore();

  protected hold<T extends Disposable>(member: T): T {
    return this.held.add(member);
  }

  /** Tells the element's size, at once and whenever it is another, as long as the element is on the page. */
  protected holdSize(told: (size: DOMRectReadOnly | undefined) => void): void {
    const observer = new ResizeObserver(([entry]) => told(entry?.contentRect));
    observer.observe(this);
    this.hold({dispose: () => observer.disconnect()});
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.held.dispose();
    this.held = new DisposableStore();
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
