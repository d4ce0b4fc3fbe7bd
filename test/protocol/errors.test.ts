/** Codes and names of wire faults. */
import assert from 'node:assert/strict';
import {ERROR_CODES, errorName, isProtocolError, ProtocolError} from '../../coordinator/protocol/errors.ts';

const JSON_RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
};

describe('wire errors', () => {
  it('use JSON-RPC codes for what JSON-RPC knows, and codes outside the reserved range for the rest', () => {
    const ours = Object.entries(ERROR_CODES).filter(([name]) => !Object.hasOwn(JSON_RPC, name));
    for (const [name, code] of Object.entries(JSON_RPC))
      assert.equal(Object.entries(ERROR_CODES).find(([other]) => other === name)?.[1], code);
    for (const [name, code] of ours)
      assert.ok(Number.isInteger(code) && (code < -32768 || code > -32000), name);
    assert.ok(ours.length > 10);
  });

  it('have one code each', () => {
    const codes = Object.values(ERROR_CODES);
    assert.equal(new Set(codes).size, codes.length);
  });

  it('come back from the wire as they went', () => {
    for (const [name, code] of Object.entries(ERROR_CODES)) {
      const back = ProtocolError.fromWire({code, message: 'm', data: {a: 1}});
      assert.equal(back.kind, name);
      assert.equal(back.code, code);
      assert.equal(back.message, 'm');
      assert.deepEqual(back.data, {a: 1});
      assert.equal(errorName(code), name);
    }
  });

  it('with an unknown code are internal and keep the number', () => {
    const error = ProtocolError.fromWire({code: 12345, message: 'odd'});
    assert.equal(error.kind, 'internal');
    assert.equal(error.message, 'odd (code 12345)');
  });

  it('are told from other errors and by kind', () => {
    const error: unknown = new ProtocolError('staleFence', 'x');
    assert.ok(isProtocolError(error));
    assert.ok(isProtocolError(error, 'staleFence'));
    assert.ok(!isProtocolError(error, 'timeout'));
    assert.ok(!isProtocolError(new Error('x')));
    assert.ok(!isProtocolError({kind: 'timeout', code: 4080}));
  });
});
