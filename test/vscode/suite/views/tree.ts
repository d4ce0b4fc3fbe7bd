/** A tree of the side bar as a person sees it: rows with their labels, opened and acted on by name. */
import {found} from '../../../support/waiting.ts';
import type {Page} from '../page.ts';

const LIMIT_MS = 30_000;

export class Tree {
  private readonly rows: string;

  /** `title` as the view is called. */
  constructor(
    private readonly page: Page,
    title: string,
  ) {
    this.rows = `.part.sidebar .pane:has(.pane-header[aria-label^="${title}"]) .monaco-list-row:not(.monaco-tree-sticky-row)`;
  }

  /** What a screen reader says of each row that is drawn. */
  async labels(): Promise<string[]> {
    return await this.page.attributes({selector: this.rows}, 'aria-label');
  }

  /** Resolves when a row's label fits. */
  async row(pattern: RegExp, limitMs = LIMIT_MS): Promise<string> {
    let last: string[] = [];
    return await found(
      async () => {
        last = await this.labels();
        return last.find(label => pattern.test(label));
      },
      limitMs,
      () => `a row ${pattern} among ${JSON.stringify(last)}`,
    );
  }

  async expand(label: string): Promise<void> {
    const row = this.selector(label);
    if ((await this.page.attribute({selector: row}, 'aria-expanded')) === 'true') return;
    await this.page.click({selector: row});
    await this.page.press('ArrowRight');
  }

  async select(label: string): Promise<void> {
    await this.page.click({selector: this.selector(label)});
  }

  /** Drags the row onto one of another tree. */
  async drag(label: string, onto: Tree, other: string): Promise<void> {
    await this.page.drag({selector: this.selector(label)}, {selector: onto.selector(other)});
  }

  /** Titles of the row's inline actions. */
  async actions(label: string): Promise<string[]> {
    return await this.page.attributes(
      {selector: `${this.selector(label)} .actions .action-label`},
      'aria-label',
    );
  }

  /** By one of the row's inline actions. */
  async act(label: string, title: string): Promise<void> {
    await this.select(label);
    await this.page.click({
      selector: `${this.selector(label)} .actions .action-label[aria-label=${JSON.stringify(title)}]`,
    });
  }

  private selector(label: string): string {
    return `${this.rows}[aria-label=${JSON.stringify(label)}]`;
  }
}
