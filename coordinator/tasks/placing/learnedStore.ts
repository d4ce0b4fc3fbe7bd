/** Keeps what is learned in the store: read when a term begins, written now and then while something new is learned, and at the term's end. */
import {restoreModel, saveModel} from '../../balancing/modelState.ts';
import type {PerformanceModel} from '../../balancing/performanceModel.ts';
import {tenantKeys} from '../../protocol/model/keys.ts';
import {LearnedRecord, type LearnedState} from '../../protocol/model/learned.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import {putRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import type {Term} from '../term/term.ts';

/** Agents in one record: each has up to 64 classes of some 60 bytes. */
const CELLS_PER_PART = 500;
const MAX_PARTS = 64;
/** A transaction holds a megabyte. */
const OPS_AT_ONCE = 12;

export class LearnedStore {
  /** By tenant: the observations that are stored. */
  private readonly stored = new Map<string, number>();
  private readonly parts = new Map<string, number>();
  private readonly writing = new Set<string>();

  constructor(
    private readonly term: Pick<Term, 'store' | 'committer' | 'scheduler' | 'principal' | 'logger'>,
  ) {}

  /** What nobody can read is left out and learned anew. */
  async load(tenants: readonly string[], revision: number): Promise<void> {
    const {store, scheduler, logger} = this.term;
    for (const tenant of tenants) {
      const {kvs} = await store.range(tenantKeys(tenant).learned, {atRevision: revision, limit: MAX_PARTS});
      try {
        const records = kvs.map(kv => parseRecord(LearnedRecord, kv.key, kv.value).state);
        const [first] = records;
        if (!first || !('noise' in first)) continue;
        const model = restoreModel({...first, agents: records.flatMap(({agents}) => agents)});
        scheduler.restore(tenant, model);
        this.stored.set(tenant, model.observations);
        this.parts.set(tenant, kvs.length);
      } catch (error) {
        logger.warn('what was learned of agents cannot be read and is learned anew', {tenant, error});
      }
    }
  }

  /** Stores what is new. Resolves when it is stored, or could not be. */
  async save(): Promise<void> {
    const writes = [...this.term.scheduler.models()].map(([tenant, model]) => this.write(tenant, model));
    await Promise.all(writes);
  }

  private async write(tenant: string, model: PerformanceModel): Promise<void> {
    const {observations} = model;
    if (this.writing.has(tenant) || this.stored.get(tenant) === observations) return;
    if (observations === 0) return;
    this.writing.add(tenant);
    try {
      const ops = this.operations(tenant, model);
      while (ops.length > 0) await this.term.committer.run([], ops.splice(0, OPS_AT_ONCE));
      this.stored.set(tenant, observations);
    } catch (error) {
      this.term.logger.debug('what was learned is not stored yet', {tenant, error});
    } finally {
      this.writing.delete(tenant);
    }
  }

  private operations(tenant: string, model: PerformanceModel): Op[] {
    const keys = tenantKeys(tenant);
    const {principal} = this.term;
    const states = partsOf(saveModel(model));
    const before = this.parts.get(tenant) ?? 0;
    this.parts.set(tenant, states.length);
    const ops: Op[] = states.map((state, part) =>
      putRecord(keys.learnedPart(part), {v: RECORD_VERSION, principal, state}),
    );
    for (let part = states.length; part < before; part += 1)
      ops.push({kind: 'delete', key: keys.learnedPart(part)});
    return ops;
  }
}

function partsOf({agents, ...rest}: LearnedState): LearnedRecord['state'][] {
  const groups: LearnedState['agents'][] = [[]];
  let cells = rest.classes.length;
  for (const agent of agents) {
    cells += agent.cells.length + 1;
    if (cells > CELLS_PER_PART) {
      if (groups.length === MAX_PARTS) break;
      groups.push([]);
      cells = agent.cells.length + 1;
    }
    groups.at(-1)?.push(agent);
  }
  const [first = [], ...others] = groups;
  return [{...rest, agents: first}, ...others.map(group => ({form: rest.form, agents: group}))];
}
