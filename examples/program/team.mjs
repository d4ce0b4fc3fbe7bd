// A program that runs a team: it shares a goal, gives one task to every agent, lets another task use what came of it, and takes the result.
//   node team.mjs            the coordinator of this user on this machine, with the agents that it has
import {connect, task} from 'mcpx';

const orchestrator = await connect();
try {
  const agents = await orchestrator.getAvailableAgents();
  if (agents.length === 0) throw new Error('no agent takes work: start one with "mcpx agent add"');

  // An open session takes tasks one by one and ends when it is told to.
  const session = await orchestrator.createSession({plan: {name: 'machines'}});
  await orchestrator.updateSharedState(session.id, [
    {kind: 'put', key: 'goal', value: 'know the machines'},
    {kind: 'put', key: 'agents', value: agents.map(agent => agent.id)},
  ]);

  // What happens meanwhile, until the session has ended.
  const watching = (async () => {
    for await (const update of orchestrator.monitorExecution(session.id))
      if (update.kind === 'task') console.error(`${update.task.id}: ${update.task.state}`);
  })();

  const looked = await orchestrator.distributeTask(task({id: 'look', run: 'uname -srm'}), agents, {session});
  for (const answer of looked.agents)
    console.log(answer.agentId, answer.kind === 'ran' ? answer.result.outcome.kind : answer.kind);

  const counted = await orchestrator.orchestrateTask(
    task({id: 'count', run: `echo ${looked.agents.length} machines`}),
    session,
  );
  if (counted.outcome.kind !== 'succeeded') throw new Error(`counting ${counted.outcome.kind}`);
  await orchestrator.terminateSession(session.id, {mode: 'finish'});
  await watching;
  const ended = await orchestrator.getSession(session.id);
  console.log(
    `${ended.name}: ${ended.state}, ${Math.round(ended.progress.fraction * 100)}% of the work is done`,
  );
} finally {
  orchestrator.close();
}
