/** Every malformed plan of the corpus gets the diagnostics in the file beside it. */
import assert from 'node:assert/strict';
import type {PlanDiagnostic} from '../../../coordinator/protocol/plan/diagnostics.ts';
import {parsePlanBytes} from '../../../coordinator/protocol/plan/parse.ts';
import {assertGolden} from '../../golden.ts';
import {corpus} from './corpus.ts';

describe('malformed plans', () => {
  const files = corpus('bad');
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  before(() => process.on('warning', onWarning));
  after(() => process.off('warning', onWarning));

  it('are many', () => assert.ok(files.length >= 60, `${files.length} files`));

  for (const {name, file, bytes} of files) {
    it(`${name} is refused with line, column and field`, () => {
      const parsed = parsePlanBytes(bytes);
      assert.equal(parsed.kind, 'invalid');
      if (parsed.kind !== 'invalid') return;
      assert.ok(parsed.diagnostics.some(diagnostic => diagnostic.severity === 'error'));
      assertGolden(file.replace(/\.yaml$/, '.txt'), parsed.diagnostics.map(line).join(''));
    });
  }

  it('print nothing by themselves', () => {
    assert.deepEqual(warnings, []);
  });
});

function line({severity, field, message, position}: PlanDiagnostic): string {
  return `${position.line}:${position.column}: ${severity}: ${field === '' ? '' : `${field}: `}${message}\n`;
}
