/** The size of the nodes of a graph, and where a layout puts them: layers from left to right, edges as lines through them. */

export const NODE_WIDTH = 190;
export const NODE_HEIGHT = 42;
export const LAYER_GAP = 56;
export const NODE_GAP = 14;

export interface LayoutRequest {
  readonly nodes: number;
  /** From, to; from, to… */
  readonly edges: readonly number[];
}

export interface Layout {
  /** Centres by node. */
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Lines: those of edge `e` are the points from `starts[e]` to `starts[e + 1]`, as x, y; x, y… */
  readonly points: Float32Array;
  readonly starts: Uint32Array;
  readonly width: number;
  readonly height: number;
}
