/** Small parts of the graph's page that have no state: its buttons, and what the colours mean. */
import {html, nothing, type TemplateResult} from 'lit';
import {t} from '../shell/l10n.ts';
import {stateSign, toolIcon} from '../theme/icons.ts';
import {LOOKS} from '../theme/stateLook.ts';
import {type Scene, tally} from './scene.ts';

/** `pressed` is for one that stays down. */
export function toolButton(
  name: Parameters<typeof toolIcon>[0],
  label: string,
  run: () => void,
  pressed?: boolean,
): TemplateResult {
  return html`<button class="tool" aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing} @click=${run}>
    ${toolIcon(name)}
  </button>`;
}

export function legend(scene: Scene): TemplateResult {
  return html`<div class="legend">
    ${[...tally(scene)].map(
      ([look, count]) =>
        html`<span class="row">${stateSign(look)}<span>${count} ${t(LOOKS[look].label)}</span></span>`,
    )}
    ${scene.critical.size > 1 ? html`<span class="row"><span class="line"></span>${t('critical path')}</span>` : nothing}
  </div>`;
}
