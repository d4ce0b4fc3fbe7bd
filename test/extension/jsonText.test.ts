/** Where a text stops being JSON is told exactly, whatever the version of the engine says about it. */
import assert from 'node:assert/strict';
import {formatJson, parseJsonText} from '../../extension/documents/jsonText.ts';

describe('JSON as a person edits it', () => {
  const valid = [
    'null',
    ' true ',
    '-1.5e+3',
    '"a\\u00e9\\n"',
    '[]',
    '{}',
    '{"a": [1, {"b": []}], "c": ""}\n',
  ];
  for (const text of valid) {
    it(`is the value of ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseJsonText(text), {kind: 'value', value: JSON.parse(text)});
    });
  }

  /** `^` stands where the problem is. */
  const broken = [
    '^',
    '^nul',
    '{"a": 1,^}',
    '{"a": 1 ^"b": 2}',
    '{"a" ^1}',
    '{^a: 1}',
    '[1, 2^',
    '[1, ^, 2]',
    '[1^}',
    '"tab \t"',
    '{"a": 1}^}',
    '1 ^2',
    '{\n  "a": [1, 2],\n  "b": ^undefined\n}',
    "^'a'",
    '0^1',
  ];
  for (const marked of broken) {
    it(`stops in ${JSON.stringify(marked)}`, () => {
      const at = marked.includes('\t') ? 0 : marked.indexOf('^');
      const text = marked.replace('^', '');
      const parsed = parseJsonText(text);
      assert.equal(parsed.kind === 'problem' && parsed.offset, at);
    });
  }

  it('counts lines and columns from 1', () => {
    const parsed = parseJsonText('{\n  "a": x\n}');
    assert.deepEqual(parsed, {kind: 'problem', offset: 9, line: 2, column: 8});
  });

  it('is written so that it reads back', () => {
    const value = {a: [1, 'zwei', null], b: {c: true}};
    assert.deepEqual(parseJsonText(formatJson(value)), {kind: 'value', value});
  });
});
