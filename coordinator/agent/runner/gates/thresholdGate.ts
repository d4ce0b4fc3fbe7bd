/** A gate that holds a number against bounds: out of a report in the worktree, or out of what a command prints. */
import type {QualityGateConfig} from '../../../protocol/gate.ts';
import {type CommandRun, timeoutNote} from './gateCommand.ts';
import type {GateFinding} from './gateFinding.ts';
import {type Measured, measurePattern, measurePointer, measureReport} from './measures.ts';
import {readWorktreeFile} from './worktreeFile.ts';

type ThresholdGate = Extract<QualityGateConfig, {type: 'threshold'}>;

/** `run` is what became of its command, if it has one. */
export async function checkThreshold(
  gate: ThresholdGate,
  worktree: string,
  run: CommandRun | undefined,
): Promise<GateFinding> {
  if (run?.exit.kind === 'notStarted') return {kind: 'unable', error: run.exit.error.message};
  const printed = run ? run.text + timeoutNote(run, gate.timeoutMs) : '';
  if (run && run.exitCode === null)
    return {kind: 'unable', error: 'its command did not end by itself', output: printed};
  const measured = await measure(gate, worktree, run?.text ?? '');
  const what = gate.report ? `${gate.report.metric} in ${gate.report.file}` : 'the number';
  if (measured.kind === 'absent')
    return {kind: 'unable', error: `${what} cannot be told: ${measured.why}`, output: printed};
  const {value} = measured;
  const shown = String(Math.round(value * 100) / 100);
  const bounds = [
    ...(gate.min !== undefined && value < gate.min ? [`at least ${gate.min} is wanted`] : []),
    ...(gate.max !== undefined && value > gate.max ? [`at most ${gate.max} is wanted`] : []),
  ];
  const said = `${what}: ${shown}${bounds.length > 0 ? `, ${bounds.join(' and ')}` : ''}`;
  return {
    kind: 'verdict',
    passed: bounds.length === 0,
    output: printed === '' ? said : `${printed.trimEnd()}\n${said}`,
    exitCode: run?.exitCode ?? null,
    measured: value,
  };
}

async function measure(
  {report, pattern, pointer}: ThresholdGate,
  worktree: string,
  printed: string,
): Promise<Measured> {
  if (report) {
    const text = await readWorktreeFile(worktree, report.file);
    return text === undefined
      ? {kind: 'absent', why: 'there is no such file'}
      : measureReport(text, report.format, report.metric);
  }
  if (pattern !== undefined) return measurePattern(printed, pattern);
  if (pointer !== undefined) return measurePointer(printed, pointer);
  return {kind: 'absent', why: 'nothing says where it is'};
}
