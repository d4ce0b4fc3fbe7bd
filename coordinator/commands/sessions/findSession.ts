/** A session and its plan, wherever they are: a session is there after its coordinator has ended, which is started again to look. */
import {silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {systemClock} from '../../runtime/clock.ts';
import type {CommandIo} from '../io.ts';
import {type ConnectOptions, findTarget, openClient} from '../local/connect.ts';
import {userDirectories} from '../local/directories.ts';
import {ensureLocalCoordinator} from '../local/localCoordinator.ts';
import {planOf} from './sessionPlan.ts';
import {requireSession} from './sessionRows.ts';

export async function findSession(
  id: string,
  options: ConnectOptions,
  io: CommandIo,
): Promise<{session: SessionRecord; plan: Plan | undefined}> {
  let target = await findTarget(options, io);
  if (!target) {
    const {endpoint} = await ensureLocalCoordinator(userDirectories(io.env), io.env, systemClock);
    target = {url: endpoint.url, token: endpoint.token, ca: endpoint.ca};
  }
  const client = await openClient(target, silentLogger);
  try {
    const session = await requireSession(client, id);
    return {session, plan: await planOf(session, target)};
  } finally {
    client.dispose();
  }
}
