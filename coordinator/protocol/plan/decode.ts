/** Bytes of a plan file to text: UTF-8 or a diagnostic that says where it is not. */
import type {PlanDiagnostic} from './diagnostics.ts';

export type DecodedPlan =
  | {readonly kind: 'text'; readonly text: string}
  | {readonly kind: 'invalid'; readonly diagnostic: PlanDiagnostic};

export function decodePlan(bytes: Uint8Array): DecodedPlan {
  const text = decode(bytes, false);
  if (text !== undefined) return {kind: 'text', text};
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return invalid('', 'the file is UTF-16: save it as UTF-8');
  return invalid(longestText(bytes), 'the file is not UTF-8 from here on');
}

/** `incomplete`: the bytes may end within a character. */
function decode(bytes: Uint8Array, incomplete: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes, {stream: incomplete});
  } catch {
    return undefined;
  }
}

/** The text before the first byte that is not UTF-8: a prefix is bad from there on, so halving finds it. */
function longestText(bytes: Uint8Array): string {
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decode(bytes.subarray(0, middle), true) === undefined) bad = middle;
    else good = middle;
  }
  return decode(bytes.subarray(0, good), true) ?? '';
}

function invalid(before: string, message: string): DecodedPlan {
  const line = before.split('\n').length;
  const column = before.length - (before.lastIndexOf('\n') + 1) + 1;
  const position = {line, column, end: {line, column: column + 1}};
  return {kind: 'invalid', diagnostic: {severity: 'error', field: '', message, position}};
}
