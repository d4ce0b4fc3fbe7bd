/** A session as a page of Markdown: what was done, by whom, what it cost, and what its gates saw. Pure. */
import {
  makespanMs,
  type SessionReport,
  taskDurationMs,
} from '../../coordinator/client/report/sessionReport.ts';
import {plain} from './plainMarkdown.ts';

const MS_PER_SECOND = 1000;

export function reportMarkdown(report: SessionReport, wallNow: number): string {
  const {session, tasks} = report;
  const head = [
    `# ${plain(session.name)}`,
    '',
    `- Session: \`${session.id}\`, ${session.state}`,
    `- Started: ${new Date(session.createdAt).toISOString()}`,
    `- Took: ${seconds(makespanMs(report, wallNow))}`,
    session.rehearsal ? '- A rehearsal: no model was called' : `- Cost: ${dollars(session.spentUsd)}`,
    ...(session.result ? [`- Result: \`${session.result.commit}\` as \`${session.result.branch}\``] : []),
    ...(session.failure === undefined ? [] : [`- Failed: ${plain(session.failure)}`]),
    '',
    '## Tasks',
    '',
    '| Task | State | Attempts | Agent | Time | Cost | Gates |',
    '|---|---|---:|---|---:|---:|---|',
  ];
  const rows = tasks.map(task => {
    const {record, attempts, latest, title} = task;
    const took = taskDurationMs(task);
    const name = title === undefined ? record.id : `${record.id}: ${title}`;
    const gates = (record.gates ?? []).map(({gate, passed}) => `${passed ? '✔' : '✖'} ${gate}`).join(', ');
    const cells = [
      name,
      record.state,
      String(attempts.length),
      latest?.agentId ?? '',
      took === undefined ? '' : seconds(took),
      dollars(record.usage.costUsd),
      gates,
    ];
    return `| ${cells.map(plain).join(' | ')} |`;
  });
  const failed = tasks.flatMap(({record}) =>
    record.failure && record.state === 'failed'
      ? [`### ${plain(record.id)}`, '', fenced(record.failure.message), '']
      : [],
  );
  return `${[...head, ...rows, ...(failed.length > 0 ? ['', '## Failures', '', ...failed] : [])].join('\n')}\n`;
}

/** The fence is longer than any within. */
function fenced(words: string): string {
  const longest = Math.max(2, ...[...words.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}\n${words}\n${fence}`;
}

function seconds(ms: number): string {
  return `${(ms / MS_PER_SECOND).toFixed(1)} s`;
}

function dollars(amount: number): string {
  return `$${amount.toFixed(2)}`;
}
