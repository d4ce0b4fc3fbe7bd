/** Numbers out of reports of coverage and of linters, and out of what commands print. Pure. */
import type {ReportFormat, ThresholdMetric} from '../../../protocol/gate.ts';
import type {JsonValue} from '../../../runtime/json.ts';

/** `absent`: why the text has no such number, for a person. */
export type Measured =
  | {readonly kind: 'number'; readonly value: number}
  | {readonly kind: 'absent'; readonly why: string};

type Known = Exclude<ReportFormat, 'auto'>;
type Counts = Partial<Record<ThresholdMetric, number>>;

const NOTHING_TO_COVER = 100;

/** Percent for coverage, a count for what a linter found. */
export function measureReport(text: string, format: ReportFormat, metric: ThresholdMetric): Measured {
  const known = format === 'auto' ? formatOf(text) : format;
  if (!known) return absent('it is in no format that is known: name its format');
  let counts: Counts | undefined;
  try {
    counts = READERS[known](text);
  } catch {
    return absent(`it cannot be read as ${known}`);
  }
  const value = counts?.[metric];
  if (counts === undefined) return absent(`it cannot be read as ${known}`);
  return value === undefined ? absent(`a report of ${known} has no ${metric}`) : {kind: 'number', value};
}

/** The last match counts: summaries come last. */
export function measurePattern(text: string, pattern: string): Measured {
  const last = [...text.matchAll(new RegExp(pattern, 'gm'))].at(-1);
  if (!last) return absent(`nothing in its output fits ${pattern}`);
  return numberOf(last[1] ?? last[0], `what fits ${pattern}`);
}

export function measurePointer(text: string, pointer: string): Measured {
  let value: unknown;
  try {
    value = JSON.parse(text.trim());
  } catch {
    return absent('its output is not JSON');
  }
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name))
      return absent(`there is nothing at ${pointer}`);
    value = (value as Record<string, unknown>)[name];
  }
  return numberOf(value, `what is at ${pointer}`);
}

function numberOf(found: unknown, what: string): Measured {
  const value =
    typeof found === 'string' && found.trim() !== '' ? Number(found.trim().replace(/%$/, '')) : found;
  if (typeof value !== 'number' || !Number.isFinite(value)) return absent(`${what} is not a number`);
  return {kind: 'number', value};
}

function absent(why: string): Measured {
  return {kind: 'absent', why};
}

function formatOf(text: string): Known | undefined {
  const start = text.trimStart();
  if (/^(?:TN:|SF:)/.test(start)) return 'lcov';
  if (start.startsWith('<')) {
    if (/<coverage[\s>]/.test(start)) return 'cobertura';
    return /<checkstyle[\s>]/.test(start) ? 'checkstyle' : undefined;
  }
  if (start.startsWith('[')) return 'eslint';
  if (!start.startsWith('{')) return undefined;
  return /"runs"\s*:/.test(start) ? 'sarif' : 'json-summary';
}

const READERS: Readonly<Record<Known, (text: string) => Counts | undefined>> = {
  lcov: text => ({
    lines: share(text, 'LH', 'LF'),
    functions: share(text, 'FNH', 'FNF'),
    branches: share(text, 'BRH', 'BRF'),
  }),
  cobertura: text => {
    const [root] = /<coverage\b[^>]*>/.exec(text) ?? [];
    if (root === undefined) return undefined;
    return {lines: rate(root, 'line-rate'), branches: rate(root, 'branch-rate')};
  },
  'json-summary': text => {
    const total = memberOf(parse(text), 'total');
    const percent = (name: string): number | undefined => numeric(memberOf(memberOf(total, name), 'pct'));
    return {
      lines: percent('lines'),
      branches: percent('branches'),
      functions: percent('functions'),
      statements: percent('statements'),
    };
  },
  eslint: text => {
    const files = parse(text);
    if (!Array.isArray(files)) return undefined;
    return problems(
      total(files, file => numeric(memberOf(file, 'errorCount'))),
      total(files, file => numeric(memberOf(file, 'warningCount'))),
    );
  },
  sarif: text => {
    const runs = memberOf(parse(text), 'runs');
    if (!Array.isArray(runs)) return undefined;
    const results = runs.flatMap(run => {
      const found = memberOf(run, 'results');
      return Array.isArray(found) ? found : [];
    });
    // Without a level a result is a warning, says the standard.
    const levels = results.map(result => memberOf(result, 'level') ?? 'warning');
    const all = problems(count(levels, 'error'), count(levels, 'warning'));
    return {...all, problems: levels.length};
  },
  checkstyle: text => {
    const severities = [...text.matchAll(/<error\b[^>]*?\bseverity\s*=\s*["'](\w+)["']/g)].map(
      match => match[1],
    );
    const all = problems(count(severities, 'error'), count(severities, 'warning'));
    return {...all, problems: [...text.matchAll(/<error\b/g)].length};
  },
};

function problems(errors: number, warnings: number): Counts {
  return {errors, warnings, problems: errors + warnings};
}

/** Percent of two counters that lcov gives for each file; nothing to cover is all of it. Undefined where it counts no such thing. */
function share(text: string, hitName: string, foundName: string): number | undefined {
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}:(\\d+)`, 'gm'))].reduce((all, match) => all + Number(match[1]), 0);
  if (!new RegExp(`^${foundName}:`, 'm').test(text)) return undefined;
  const found = sum(foundName);
  return found === 0 ? NOTHING_TO_COVER : (100 * sum(hitName)) / found;
}

function rate(element: string, name: string): number | undefined {
  const [, value] = new RegExp(`\\b${name}\\s*=\\s*["']([0-9.]+)["']`).exec(element) ?? [];
  return value === undefined ? undefined : 100 * Number(value);
}

function parse(text: string): JsonValue {
  return JSON.parse(text);
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value[name] : undefined;
}

function numeric(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function total(values: readonly JsonValue[], of: (value: JsonValue) => number | undefined): number {
  return values.reduce((sum: number, value) => sum + (of(value) ?? 0), 0);
}

function count(values: readonly (JsonValue | undefined)[], wanted: string): number {
  return values.filter(value => value === wanted).length;
}
