import assert from 'node:assert/strict';
import {headerFault} from '../../coordinator/gateway/parameterHeaders.ts';

const schema = (properties: object, more: object = {}): object => ({type: 'object', properties, ...more});
const header = (name: unknown, type: unknown = 'string'): object => ({type, 'x-mcp-header': name});

describe('arguments of tools that travel as headers', () => {
  for (const [what, given] of [
    ['none', schema({a: {type: 'string'}})],
    [
      'each type that is allowed',
      schema({a: header('A'), b: header('B', 'integer'), c: header('C', 'boolean')}),
    ],
    ['one in an object', schema({outer: schema({inner: header('Inner')})})],
    ['a property of that very name', schema({'x-mcp-header': {type: 'string'}})],
    ['no schema at all', undefined],
  ] as const)
    it(`may be declared: ${what}`, () => assert.equal(headerFault(given), undefined));

  for (const [what, given, expected] of [
    ['an empty name', schema({a: header('')}), /\/a: .*no name/],
    ['a name with a space', schema({a: header('My Region')}), /no name/],
    ['a name that is no text', schema({a: header(7)}), /no name/],
    ['a number', schema({a: header('A', 'number')}), /strings, integers/],
    ['an object', schema({a: header('A', 'object')}), /strings, integers/],
    ['no type', schema({a: {'x-mcp-header': 'A'}}), /strings, integers/],
    [
      'one name twice, in whatever case',
      schema({a: header('Region'), b: schema({c: header('REGION')})}),
      /twice/,
    ],
    ['the whole schema', {...schema({}), 'x-mcp-header': 'A'}, /properties only/],
    ['items of a list', schema({a: {type: 'array', items: header('A')}}), /properties only/],
    ['an alternative', schema({}, {oneOf: [schema({a: header('A')})]}), /properties only/],
    ['a definition', schema({}, {$defs: {d: schema({a: header('A')})}}), /properties only/],
  ] as const)
    it(`are refused: ${what}`, () => assert.match(headerFault(given) ?? '', expected));
});
