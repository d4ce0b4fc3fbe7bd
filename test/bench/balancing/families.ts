/** Graphs in the shapes of known workflow families, drawn from a seed: the default set of the benchmark. */
import {Chance, DRAW} from './chance.ts';
import type {Workflow, WorkflowTask} from './workflows.ts';

/** Builds one graph. Parents come before their children by construction. */
class Drawing {
  private readonly types: string[] = [];
  private readonly tasks: WorkflowTask[] = [];
  private readonly chance: Chance;

  constructor(
    readonly name: string,
    readonly seed: number,
  ) {
    this.chance = new Chance(seed);
  }

  /** A task that usually takes so many seconds and hands on so many megabytes to each child. */
  task(type: string, seconds: number, megabytes: number, parents: readonly number[]): number {
    if (!this.types.includes(type)) this.types.push(type);
    const index = this.tasks.length;
    const bytes = (parent: number): number =>
      1e6 * megabytes * this.chance.lognormal(0.5, DRAW.bytes, index, parent);
    this.tasks.push({
      type: this.types.indexOf(type),
      seconds: seconds * this.chance.lognormal(0.3, DRAW.size, index),
      parents: parents.map(parent => ({index: parent, bytes: bytes(parent)})),
    });
    return index;
  }

  each(count: number, draw: (at: number) => number): number[] {
    return Array.from({length: count}, (_, at) => draw(at));
  }

  /** Uniform in [0, below). */
  pick(below: number, a: number, b = 0): number {
    return this.chance.integer(below, DRAW.graph, a, b);
  }

  /** Lognormal about 1. */
  vary(sigma: number, a: number): number {
    return this.chance.lognormal(sigma, DRAW.graph, a, -1);
  }

  done(): Workflow {
    return {name: `${this.name}-${this.seed}`, types: this.types, tasks: this.tasks};
  }
}

/** Mosaic of the sky: projections, overlaps between neighbours, one fit for all, corrections, one sum. */
function montage(seed: number): Workflow {
  const drawing = new Drawing('montage', seed);
  const width = 60 + drawing.pick(40, 0);
  const projected = drawing.each(width, () => drawing.task('project', 40, 8, []));
  const overlaps = drawing.each(3 * width, at => {
    const left = at % width;
    const right = (left + 1 + drawing.pick(3, 1, at)) % width;
    return drawing.task('difference', 12, 8, [projected[left] as number, projected[right] as number]);
  });
  const fit = drawing.task('fit', 60, 0.1, overlaps);
  const model = drawing.task('model', 90, 0.1, [fit]);
  const corrected = projected.map(image => drawing.task('correct', 10, 8, [image, model]));
  const table = drawing.task('table', 20, 0.1, corrected);
  const sum = drawing.task('add', 120, 8, [...corrected, table]);
  drawing.task('shrink', 30, 50, [sum]);
  return drawing.done();
}

/** Lanes of DNA: each is split, every part goes through a chain, parts and then lanes are merged. */
function epigenomics(seed: number): Workflow {
  const drawing = new Drawing('epigenomics', seed);
  const merged = drawing.each(4, lane => {
    const split = drawing.task('split', 35, 0, []);
    const mapped = drawing.each(16 + drawing.pick(16, 0, lane), () => {
      const filtered = drawing.task('filter', 10, 4, [split]);
      const converted = drawing.task('convert', 5, 4, [filtered]);
      const packed = drawing.task('pack', 8, 2, [converted]);
      return drawing.task('map', 150, 2, [packed]);
    });
    return drawing.task('merge', 40, 3, mapped);
  });
  const all = drawing.task('mergeLanes', 60, 40, merged);
  const indexed = drawing.task('index', 50, 60, [all]);
  drawing.task('pileup', 55, 60, [indexed]);
  return drawing.done();
}

/** Many independent deconvolutions, and one that gathers them. */
function seismology(seed: number): Workflow {
  const drawing = new Drawing('seismology', seed);
  const waves = drawing.each(300 + drawing.pick(200, 0), at =>
    drawing.task('deconvolve', 25 * drawing.vary(0.8, at + 1), 0, []),
  );
  drawing.task('gather', 60, 0.2, waves);
  return drawing.done();
}

/** One split, a wide search, two merges. */
function blast(seed: number): Workflow {
  const drawing = new Drawing('blast', seed);
  const split = drawing.task('split', 20, 0, []);
  const hits = drawing.each(150 + drawing.pick(100, 0), at =>
    drawing.task('search', 180 * drawing.vary(0.4, at + 1), 1, [split]),
  );
  drawing.task('concatenate', 15, 2, hits);
  drawing.task('concatenateErrors', 10, 0.1, hits);
  return drawing.done();
}

/** Crops: a baseline for each place, runs with more and with less that need it, summaries by place and over all. */
function cycles(seed: number): Workflow {
  const drawing = new Drawing('cycles', seed);
  const summaries = drawing.each(6, place => {
    const runs = drawing.each(9 + drawing.pick(6, 0, place), () => {
      const baseline = drawing.task('baseline', 30, 0.1, []);
      const cycle = drawing.task('cycle', 40, 1, [baseline]);
      const more = drawing.task('fertilizer', 40, 1, [baseline]);
      return drawing.task('parse', 5, 2, [cycle, more]);
    });
    return drawing.task('summary', 20, 3, runs);
  });
  drawing.task('plots', 60, 3, summaries);
  return drawing.done();
}

/** Stages of parallel work, each waited for as a whole. */
function forkJoin(seed: number): Workflow {
  const drawing = new Drawing('fork-join', seed);
  let before = drawing.task('begin', 15, 0, []);
  for (let stage = 0; stage < 6; stage++) {
    const width = 40 + drawing.pick(60, stage);
    const parts = drawing.each(width, at =>
      drawing.task(`work${stage}`, 60 * drawing.vary(0.5, stage * 100 + at), 5, [before]),
    );
    before = drawing.task('join', 20, 5, parts);
  }
  return drawing.done();
}

/** Layers in which each task needs a few of the layer before. */
function layered(seed: number): Workflow {
  const drawing = new Drawing('layered', seed);
  let before: number[] = [];
  for (let layer = 0; layer < 20; layer++) {
    const above = before;
    before = drawing.each(12 + drawing.pick(24, layer), at => {
      const count = Math.min(above.length, 1 + drawing.pick(3, 100 + layer, at));
      const parents = new Set(
        drawing.each(count, nth => above[drawing.pick(above.length, 1000 * (layer + 1) + at, nth)] as number),
      );
      const type = `kind${drawing.pick(8, 200 + layer, at)}`;
      return drawing.task(type, 60 * drawing.vary(0.7, 1000 * (layer + 1) + at), 10, [...parents]);
    });
  }
  return drawing.done();
}

const FAMILIES = [montage, epigenomics, seismology, blast, cycles, forkJoin, layered];

/** One of each family. */
export function drawWorkflows(seed: number): Workflow[] {
  return FAMILIES.map(family => family(seed));
}
