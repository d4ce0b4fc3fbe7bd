/** One small task on every agent before anything else, as agents get when they register. */
import {PerformanceModel} from '../../../coordinator/balancing/performanceModel.ts';
import {proficiencyRank} from '../../../coordinator/protocol/capability.ts';
import type {TaskClass} from './agents.ts';
import type {ModelledTask, World} from './world.ts';

const CALIBRATION_MS = 60_000;

export function calibrationClass(): TaskClass {
  return {name: 'calibration', meanMs: CALIBRATION_MS, capability: 0};
}

/** The world's last class must be that of calibration. */
export function calibrate(world: World, now: number): PerformanceModel {
  const model = new PerformanceModel();
  const task: ModelledTask = {
    index: -1,
    id: 'calibration',
    class: world.classes.length - 1,
    project: -1,
    sizeMs: CALIBRATION_MS,
    estimateMs: CALIBRATION_MS,
    arrivesAt: 0,
    inputs: [],
    parents: [],
  };
  for (const agent of world.agents) {
    const {workMs, isFailing} = world.tryOf(task, agent, 0);
    const levels = agent.declared.filter((_, at) => agent.holds[at]).map(proficiencyRank);
    const mean = levels.reduce((sum, level) => sum + level, 0) / Math.max(1, levels.length);
    model.observe(
      {
        agentId: agent.id,
        taskClass: 'calibration',
        estimateMs: CALIBRATION_MS,
        durationMs: workMs,
        outcome: isFailing ? 'failed' : 'succeeded',
        proficiency: levels.length === 0 ? 0 : mean / 1.5 - 1,
      },
      now,
    );
  }
  return model;
}
