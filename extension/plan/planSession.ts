/** Which session a plan file's states come from. Pure. */
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';

export interface PlanIdentity {
  /** The plan's own. */
  readonly name: string;
  /** Path of the file. */
  readonly file: string;
}

/** The newest of `sessions` that ran a plan of this name, unless it says that it came from another folder. */
export function newestSessionOf(
  {name, file}: PlanIdentity,
  sessions: readonly SessionRecord[],
): SessionRecord | undefined {
  let newest: SessionRecord | undefined;
  for (const session of sessions) {
    if (session.name !== name || !mayComeFrom(session, file)) continue;
    if (!newest || session.createdAt > newest.createdAt) newest = session;
  }
  return newest;
}

/** The origin is a folder of this machine, or a URL, which many folders may share. */
function mayComeFrom({workspace}: SessionRecord, file: string): boolean {
  const origin = workspace?.origin;
  if (origin === undefined || !/^(?:[/\\]|[A-Za-z]:[/\\])/.test(origin)) return true;
  const [folder, inside] = [origin, file].map(each => each.replaceAll('\\', '/'));
  return inside?.startsWith(`${folder?.replace(/\/$/, '')}/`) === true;
}
