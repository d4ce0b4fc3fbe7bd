/** Colours of the theme for a canvas, which knows no variables. */
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {LOOKS, type LookName} from '../theme/stateLook.ts';

export interface Palette {
  readonly text: string;
  readonly quiet: string;
  readonly card: string;
  readonly edge: string;
  readonly critical: string;
  readonly focus: string;
  readonly font: string;
  readonly looks: Readonly<Record<LookName, string>>;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const color = (...names: string[]): string => {
    for (const name of names) {
      const value = style.getPropertyValue(name).trim();
      if (value !== '') return value;
    }
    return style.color;
  };
  const looks = Object.fromEntries(
    Object.entries(LOOKS).map(([name, look]) => [name, color(look.color)]),
  ) as Record<LookName, string>;
  return {
    text: color('--vscode-foreground'),
    quiet: color('--vscode-descriptionForeground'),
    card: color('--vscode-editorWidget-background', '--vscode-editor-background'),
    edge: color('--vscode-disabledForeground', '--vscode-descriptionForeground'),
    critical: color('--vscode-charts-orange', '--vscode-editorWarning-foreground'),
    focus: color('--vscode-focusBorder'),
    font: color('--vscode-font-family'),
    looks,
  };
}

/** The editor changes classes and styles of the document when its theme changes; a browser tells by its queries. */
export function onThemeChange(changed: () => void): Disposable {
  const observer = new MutationObserver(changed);
  const attributes = {attributes: true, attributeFilter: ['class', 'style']};
  observer.observe(document.documentElement, attributes);
  observer.observe(document.body, attributes);
  const queries = ['(prefers-color-scheme: dark)', '(prefers-contrast: more)'].map(query =>
    matchMedia(query),
  );
  for (const query of queries) query.addEventListener('change', changed);
  return {
    dispose() {
      observer.disconnect();
      for (const query of queries) query.removeEventListener('change', changed);
    },
  };
}
