/** The newest wall time that a stored record says of itself: about when it was written. Pure. */

const FIELDS = ['endedAt', 'startedAt', 'assignedAt', 'readyAt', 'createdAt', 'askedAt', 'timestamp', 'at'];

/** Milliseconds since the Unix epoch; 0 when it says none. */
export function wallTimeOf(text: string): number {
  try {
    const record = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const times = FIELDS.map(field => record[field]).filter(time => typeof time === 'number');
    return Math.max(0, ...times);
  } catch {
    return 0;
  }
}
