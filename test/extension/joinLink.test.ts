/** Links that offer a coordinator: what is taken from them, and what is refused. */
import assert from 'node:assert/strict';
import {parseJoinLink} from '../../extension/joinLink.ts';

const PIN = `sha256:${'a'.repeat(64)}`;

describe('a link to a coordinator', () => {
  it('names its address and its pin', () => {
    const query = `url=${encodeURIComponent('wss://hub.example:7800')}&pin=${encodeURIComponent(PIN)}`;
    assert.deepEqual(parseJoinLink('/connect', query), {
      kind: 'connect',
      url: 'wss://hub.example:7800',
      caPin: PIN,
    });
    assert.deepEqual(parseJoinLink('/connect', 'url=ws://127.0.0.1:1'), {
      kind: 'connect',
      url: 'ws://127.0.0.1:1',
      caPin: undefined,
    });
  });

  it('shows the host that is really meant', () => {
    const link = parseJoinLink('/connect', `url=${encodeURIComponent('wss://h\u0443b.example:7800/')}`);
    assert.deepEqual(link, {kind: 'connect', url: 'wss://xn--hb-umc.example:7800', caPin: undefined});
  });

  const refused: readonly (readonly [path: string, query: string, reason: string])[] = [
    ['/run', 'url=wss://h', 'path'],
    ['/connect', '', 'url'],
    ['/connect', 'url=https://h', 'url'],
    ['/connect', 'url=wss://user:secret@h', 'url'],
    ['/connect', 'url=file:///etc', 'url'],
    ['/connect', `url=${encodeURIComponent('wss://h/?token=mcpx_1')}`, 'url'],
    ['/connect', `url=${encodeURIComponent('wss://h/elsewhere')}`, 'url'],
    ['/connect', `url=${encodeURIComponent('wss://h/#x')}`, 'url'],
    ['/connect', `url=wss://${'h'.repeat(3000)}`, 'url'],
    ['/connect', 'url=wss://h&pin=md5:aaaa', 'pin'],
    ['/connect', 'url=wss://h&pin=sha256:$(reboot)', 'pin'],
    ['/connect', 'url=wss://h&token=mcpx_1', 'token'],
  ];
  for (const [path, query, reason] of refused)
    it(`is refused for its ${reason}: ${path}?${query.slice(0, 40)}`, () =>
      assert.deepEqual(parseJoinLink(path, query), {kind: 'refused', reason}));
});
