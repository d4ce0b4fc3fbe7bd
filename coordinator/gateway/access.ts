/** Who sees what of a server, by its access rules. Pure. */
import {compilePattern} from '../protocol/keyPattern.ts';
import type {AccessRule} from '../protocol/model/server.ts';

export interface AccessContext {
  readonly role: 'agent' | 'client' | 'coordinator' | 'peer';
  /** What an agent works on when it asks; several attempts may share a connection. */
  readonly work: readonly {readonly sessionId: string; readonly taskId: string}[];
}

/** A test of names, or of URIs, for one caller. */
export function visibleTo(
  rules: readonly AccessRule[] | undefined,
  context: AccessContext,
): (name: string) => boolean {
  const applying = (rules ?? []).filter(rule => applies(rule, context));
  if (applying.length === 0) return () => true;
  const tests = applying.map(({allow, deny}) => ({
    allow: allow?.map(pattern => compilePattern(pattern)),
    deny: (deny ?? []).map(pattern => compilePattern(pattern)),
  }));
  return name =>
    tests.every(
      ({allow, deny}) =>
        (allow === undefined || allow.some(({matches}) => matches(name))) &&
        !deny.some(({matches}) => matches(name)),
    );
}

function applies({roles, sessions, tasks}: AccessRule, {role, work}: AccessContext): boolean {
  if (roles && !roles.includes(role)) return false;
  if (!sessions && !tasks) return true;
  return work.some(({sessionId, taskId}) => matchesAny(sessions, sessionId) && matchesAny(tasks, taskId));
}

function matchesAny(patterns: readonly string[] | undefined, text: string): boolean {
  return patterns === undefined || patterns.some(pattern => compilePattern(pattern).matches(text));
}
