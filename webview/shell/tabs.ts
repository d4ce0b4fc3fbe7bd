/** Tabs by the pattern of the ARIA practices: one is in the tab order, arrows go from one to the next. */
import {html, nothing, type TemplateResult} from 'lit';

export interface Tab<N extends string> {
  readonly name: N;
  readonly label: string;
  readonly badge?: string;
}

export function renderTabs<N extends string>(
  tabs: readonly Tab<N>[],
  shown: N,
  label: string,
  choose: (name: N) => void,
): TemplateResult {
  const onKey = (event: KeyboardEvent): void => {
    const at = tabs.findIndex(({name}) => name === shown);
    const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1}[event.key];
    const next = to === undefined ? undefined : tabs[(to + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    choose(next.name);
    const list = event.currentTarget;
    if (list instanceof HTMLElement) list.querySelector<HTMLElement>(`#tab-${next.name}`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} @keydown=${onKey}>
    ${tabs.map(
      ({name, label: text, badge}) => html`<button
        id=${`tab-${name}`}
        role="tab"
        aria-selected=${name === shown ? 'true' : 'false'}
        tabindex=${name === shown ? '0' : '-1'}
        @click=${() => choose(name)}
      >
        ${text}${badge === undefined ? nothing : html`<span class="badge">${badge}</span>`}
      </button>`,
    )}
  </div>`;
}
