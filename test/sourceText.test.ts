/** Reading TypeScript as text: what the checks of the architecture rest on. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: sources are the subject here
import assert from 'node:assert/strict';
import {codeOnly, importsOf} from './sourceText.ts';

describe('code without comments and strings', () => {
  for (const [what, source, code] of [
    ['a line comment', 'a; // b\nc;', 'a;     \nc;'],
    ['a block comment over lines', 'a /* b\nc */ d', 'a     \n     d'],
    ['strings', `f('a//b', "c\\"d");`, 'f(      ,       );'],
    ['an escaped quote', `'a\\'b' + c`, '       + c'],
    ['a template', 'x`a${b}c`d', 'x    b   d'],
    ['a template in a template', 'x`${`${a}` + {b: 1}.b}`', 'x      a   + {b: 1}.b  '],
    ['a brace in a template', '`}${a}{`;b', '    a   ;b'],
    ['a regular expression', 'f(/a"b\\/[/]c/g, d)', 'f(           g, d)'],
    ['a division', 'a / b / c', 'a / b / c'],
    ['a regular expression after return', 'return /x`/.test(a)', 'return     .test(a)'],
    ['a quote in a comment', "// don't\na", '        \na'],
  ] as const) {
    it(`takes out ${what}`, () => assert.equal(codeOnly(source), code));
  }

  it('keeps every position', () => {
    const source = 'const a = `x${b}`; // c\n/* d */ const e = /f/g;\n';
    assert.equal(codeOnly(source).length, source.length);
  });
});

describe('imports of a file', () => {
  it('are found with line and kind', () => {
    const source = [
      "import a from 'a';",
      'import {',
      '  b,',
      "} from './b.ts';",
      "import type {C} from './c.ts';",
      "import {type D, type E} from './d.ts';",
      "import {type F, g} from './f.ts';",
      "import 'side';",
      "export {h} from './h.ts';",
      "export * from './i.ts';",
      "const j = await import('./j.ts');",
      "// import k from './k.ts';",
      'const text = `',
      "import l from './l.ts';",
      '`;',
      'export const m = 1;',
      "const n = 'from';",
    ].join('\n');
    assert.deepEqual(
      importsOf(source)
        .sort((a, b) => a.line - b.line)
        .map(({specifier, typeOnly, line}) => `${line} ${specifier}${typeOnly ? ' type' : ''}`),
      [
        '1 a',
        '2 ./b.ts',
        '5 ./c.ts type',
        '6 ./d.ts type',
        '7 ./f.ts',
        '8 side',
        '9 ./h.ts',
        '10 ./i.ts',
        '11 ./j.ts',
      ],
    );
  });
});
