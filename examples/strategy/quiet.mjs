// A strategy of your own: the agent with the most idle slots, and of these the one that is expected to be done first.
//   mcpx coordinator --strategy-module examples/strategy/quiet.mjs
// A plan or a task names it: "strategy: quietest". The types are in the package: import type {LoadBalancingStrategy} from 'mcpx'.

/** @type {import('mcpx').LoadBalancingStrategy} */
const quietest = {
  name: 'quietest',
  /** Every candidate as an assignment, best first. It may wait for others, for as long as the setting strategyTimeoutMs says. */
  async optimize(candidates, task) {
    return candidates
      .map(({instance, slots, running, prediction}) => {
        const features = {idle: slots - running, expectedMs: prediction.durationMs / prediction.success};
        const score = features.idle - features.expectedMs / 3_600_000;
        return {agentId: instance.id, taskId: task.id, score, features};
      })
      .sort((a, b) => b.score - a.score);
  },
};

export default quietest;
