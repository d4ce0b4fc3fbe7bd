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

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.held.dispose();
    this.held = new DisposableStore();
  }
}

export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
