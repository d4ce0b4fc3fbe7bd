/** Numbers out of reports of coverage and of linters, as their tools write them. */
import assert from 'node:assert/strict';
import {
  measurePattern,
  measurePointer,
  measureReport,
} from '../../../../coordinator/agent/runner/gates/measures.ts';
import type {ReportFormat, ThresholdMetric} from '../../../../coordinator/protocol/gate.ts';

const LCOV =
  'TN:\nSF:a.js\nFNF:2\nFNH:1\nBRF:0\nBRH:0\nLF:8\nLH:6\nend_of_record\nSF:b.js\nLF:2\nLH:0\nend_of_record\n';
const COBERTURA =
  '<?xml version="1.0" ?>\n<coverage line-rate="0.85" branch-rate="0.5" version="1">\n<packages line-rate="0.1"/></coverage>';
const SUMMARY = JSON.stringify({
  total: {
    lines: {total: 10, covered: 9, pct: 90},
    branches: {pct: 50},
    functions: {pct: 75.5},
    statements: {pct: 91},
  },
  'a.js': {lines: {pct: 1}},
});
const ESLINT = JSON.stringify([
  {filePath: 'a.js', errorCount: 2, warningCount: 1},
  {filePath: 'b.js', errorCount: 0, warningCount: 4},
]);
const SARIF = JSON.stringify({
  version: '2.1.0',
  runs: [{results: [{level: 'error'}, {level: 'note'}, {ruleId: 'x'}]}, {}],
});
const CHECKSTYLE =
  '<?xml version="1.0"?><checkstyle version="8"><file name="a"><error line="1" severity="error" message="m"/><error severity="info"/></file></checkstyle>';

const CASES: readonly [
  text: string,
  format: Exclude<ReportFormat, 'auto'>,
  metric: ThresholdMetric,
  value: number,
][] = [
  [LCOV, 'lcov', 'lines', 60],
  [LCOV, 'lcov', 'functions', 50],
  [LCOV, 'lcov', 'branches', 100],
  [COBERTURA, 'cobertura', 'lines', 85],
  [COBERTURA, 'cobertura', 'branches', 50],
  [SUMMARY, 'json-summary', 'lines', 90],
  [SUMMARY, 'json-summary', 'functions', 75.5],
  [SUMMARY, 'json-summary', 'statements', 91],
  [ESLINT, 'eslint', 'errors', 2],
  [ESLINT, 'eslint', 'problems', 7],
  ['[]', 'eslint', 'problems', 0],
  [SARIF, 'sarif', 'errors', 1],
  [SARIF, 'sarif', 'warnings', 1],
  [SARIF, 'sarif', 'problems', 3],
  [CHECKSTYLE, 'checkstyle', 'errors', 1],
  [CHECKSTYLE, 'checkstyle', 'problems', 2],
];

describe('measures of reports', () => {
  for (const [text, format, metric, value] of CASES)
    it(`reads ${metric} of ${format}, named or not`, () => {
      for (const how of [format, 'auto'] as const)
        assert.deepEqual(measureReport(text, how, metric), {kind: 'number', value});
    });

  for (const [text, format, metric, why] of [
    ['hello', 'auto', 'lines', /no format that is known/],
    ['{"total":{}}', 'json-summary', 'lines', /has no lines/],
    [LCOV, 'lcov', 'statements', /has no statements/],
    [LCOV, 'json-summary', 'lines', /cannot be read as json-summary/],
    ['{}', 'eslint', 'errors', /cannot be read as eslint/],
  ] as const)
    it(`says why ${text.slice(0, 12).trim()} as ${format} has no ${metric}`, () => {
      const measured = measureReport(text, format, metric);
      assert.match(measured.kind === 'absent' ? measured.why : 'a number', why);
    });

  it('takes the last match of a pattern, its first group before the whole', () => {
    assert.deepEqual(measurePattern('all: 10%\nall:  81.5%\n', 'all:\\s+([\\d.]+%)'), {
      kind: 'number',
      value: 81.5,
    });
    assert.deepEqual(measurePattern('3 warnings, 4', '\\d+'), {kind: 'number', value: 4});
    assert.equal(measurePattern('none', '\\d+').kind, 'absent');
    assert.equal(measurePattern('all: many', 'all: (\\w+)').kind, 'absent');
  });

  it('follows a JSON pointer, with its escapes', () => {
    const text = '{"a/b": {"~x": [1, {"n": "7"}]}}\n';
    assert.deepEqual(measurePointer(text, '/a~1b/~0x/1/n'), {kind: 'number', value: 7});
    assert.equal(measurePointer(text, '/a~1b/none').kind, 'absent');
    assert.equal(measurePointer(text, '/a~1b').kind, 'absent');
    assert.equal(measurePointer('not json', '/a').kind, 'absent');
  });
});
