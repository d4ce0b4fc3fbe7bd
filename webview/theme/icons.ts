/** Pictures of states and of tools, drawn here: no font and no file is loaded. */
import {html, svg, type TemplateResult} from 'lit';
import {t} from '../shell/l10n.ts';
import {LOOKS, type LookName} from './stateLook.ts';

/** The state's sign, in its colour, and its name for who does not see it. */
export function stateIcon(name: LookName, label = t(LOOKS[name].label)): TemplateResult {
  return html`<span class="state" role="img" aria-label=${label} title=${label}>${stateSign(name)}</span>`;
}

/** Where the name stands beside it anyway. */
export function stateSign(name: LookName): TemplateResult {
  const {color, path, filled} = LOOKS[name];
  return html`<svg
    class="sign"
    viewBox="0 0 16 16"
    width="16"
    height="16"
    aria-hidden="true"
    fill=${filled ? `var(${color})` : 'none'}
    stroke="var(${color})"
    stroke-width="1.6"
    stroke-linecap="round"
    stroke-linejoin="round"
  >
    ${svg`<path d=${path}></path>`}
  </svg>`;
}

const TOOLS = {
  fit: 'M2 6v-4h4M10 2h4v4M14 10v4h-4M6 14h-4v-4',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  outline: 'M2 4h12M5 8h9M5 12h9',
  stages: 'M2 3h3v10h-3zM6.5 5h3v6h-3zM11 3h3v10h-3z',
  close: 'M4 4l8 8M12 4l-8 8',
  back: 'M10 3l-5 5l5 5',
  next: 'M6 3l5 5l-5 5',
  play: 'M5 3l8 5l-8 5z',
  down: 'M8 3v10M4 9l4 4l4-4',
} as const;
export type ToolName = keyof typeof TOOLS;

export function toolIcon(name: ToolName): TemplateResult {
  return html`<svg
    viewBox="0 0 16 16"
    width="16"
    height="16"
    aria-hidden="true"
    fill="none"
    stroke="currentColor"
    stroke-width="1.4"
    stroke-linecap="round"
    stroke-linejoin="round"
  >
    ${svg`<path d=${TOOLS[name]}></path>`}
  </svg>`;
}
