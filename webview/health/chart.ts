/** A line chart over time, drawn by uPlot in the theme's colours. What it shows stands beside it in words. */
import {css, html, type TemplateResult, unsafeCSS} from 'lit';
import uPlot from 'uplot';
import uplotStyles from 'uplot/dist/uPlot.min.css';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {onThemeChange, readPalette} from '../graph/palette.ts';
import {define, McpxElement} from '../shell/element.ts';
import {shared} from '../theme/tokens.ts';
import type {Series} from './series.ts';

const HEIGHT = 150;
const LEAST_S = 300;

export interface Line {
  readonly label: string;
  /** Variable of the theme. */
  readonly color: string;
  /** Lines are told apart without colour too. */
  readonly dash?: readonly number[];
}

export class Chart extends McpxElement {
  static override properties = {series: {attribute: false}, version: {attribute: false}};

  static override styles = [
    shared,
    unsafeCSS(uplotStyles),
    css`
      :host {
        display: block;
        min-width: 0;
        height: ${HEIGHT + 4}px;
        overflow: hidden;
      }
    `,
  ];

  series!: Series;
  lines: readonly Line[] = [];
  unit = '';
  version = 0;
  private plot: uPlot | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.hold(onThemeChange(() => this.make()));
    this.holdSize(size => {
      const width = Math.floor(size?.width ?? 0);
      if (width > 0) this.plot?.setSize({width, height: HEIGHT});
    });
    this.hold({
      dispose: () => {
        this.plot?.destroy();
        this.plot = undefined;
      },
    });
  }

  override render(): TemplateResult {
    return html`<div aria-hidden="true"></div>`;
  }

  override updated(): void {
    if (this.plot) this.plot.setData(this.series.data);
    else this.make();
  }

  private make(): void {
    const place = this.renderRoot.querySelector('div');
    const width = Math.floor(this.getBoundingClientRect().width);
    if (!place || width === 0) return;
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const palette = readPalette();
    const axis = {
      stroke: palette.quiet,
      font: `11px ${palette.font}`,
      grid: {stroke: palette.edge, width: 0.3},
    };
    this.plot = new uPlot(
      {
        width,
        height: HEIGHT,
        legend: {show: false},
        cursor: {show: false},
        scales: {
          x: {range: (_plot, low, high) => rangeOf(low, high)},
          y: {range: (_plot, _low, high) => [0, Math.max(1, high * 1.15)]},
        },
        axes: [
          {
            ...axis,
            space: 90,
            size: 28,
            values: (_plot, ticks) => ticks.map(tick => new Date(tick * 1000).toLocaleTimeString('en-GB')),
          },
          {...axis, size: 62, values: (_plot, ticks) => ticks.map(tick => `${tick}${this.unit}`)},
        ],
        series: [
          {},
          ...this.lines.map(({label, color, dash}) => ({
            label,
            stroke: style.getPropertyValue(color).trim() || palette.text,
            width: 1.8,
            dash: dash ? [...dash] : undefined,
            points: {show: () => this.series.length < 3},
          })),
        ],
      },
      this.series.data,
      place,
    );
  }
}
define('mcpx-chart', Chart);

/** At least five minutes, so that the first points do not fill it; up to now where there are none. */
function rangeOf(low: number | null, high: number | null): [number, number] {
  const end = high ?? systemClock.wallNow() / 1000;
  return [Math.min(low ?? end, end - LEAST_S), end];
}
