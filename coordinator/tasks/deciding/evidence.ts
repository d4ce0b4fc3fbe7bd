/** Keeps the evidence of gates small enough for the records that carry it. Pure. */
import type {GateEvidence, GateWaiver} from '../../protocol/gate.ts';

/** Characters of gate output in one record, all gates together. */
const MAX_OUTPUT_CHARS = 12_000;
/** A gate that passed has little to say. */
const PASSED_OUTPUT_CHARS = 256;

/** Shortens outputs from the front, since a command's last words say most; a failed gate keeps more than one that passed. */
export function boundedEvidence(evidence: readonly GateEvidence[]): GateEvidence[] {
  const failed = evidence.filter(one => !one.passed).length;
  const share = Math.floor(
    (MAX_OUTPUT_CHARS - (evidence.length - failed) * PASSED_OUTPUT_CHARS) / Math.max(1, failed),
  );
  return evidence.map(one => {
    const most = one.passed ? PASSED_OUTPUT_CHARS : share;
    return one.output.length > most ? {...one, output: lastChars(one.output, most)} : one;
  });
}

/** Evidence of a gate that did not pass and need not; `run` is what is known of it, if it ran. */
export function waivedEvidence(gate: string, waiver: GateWaiver, run?: GateEvidence): GateEvidence {
  const known = run ?? {gate, passed: false, exitCode: null, output: '', durationMs: 0};
  return {...known, waived: waiver};
}

/** Never starts with half a character. */
function lastChars(text: string, count: number): string {
  const end = text.slice(-count);
  const first = end.charCodeAt(0);
  return first >= 0xdc00 && first <= 0xdfff ? end.slice(1) : end;
}

/** The first of a text, with what is left out said. */
export function boundedText(text: string, most: number): string {
  if (text.length <= most) return text;
  const end = text.charCodeAt(most - 1) >= 0xd800 && text.charCodeAt(most - 1) <= 0xdbff ? most - 1 : most;
  return `${text.slice(0, end)}\n[${text.length - end} more characters]`;
}
