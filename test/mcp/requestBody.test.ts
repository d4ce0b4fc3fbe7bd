/** What is read of requests whose clients go while they are looked at. */
import assert from 'node:assert/strict';
import {once} from 'node:events';
import * as http from 'node:http';
import type {AddressInfo} from 'node:net';
import {type RequestBody, readBody} from '../../coordinator/mcp/requestBody.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {rawRequest} from './support.ts';

describe('the body of a request', () => {
  for (const when of ['before it is read', 'while it is read'])
    it(`is a fault where its client goes ${when}`, async () => {
      const arrived = deferred<void>();
      const read = deferred<RequestBody>();
      const server = http.createServer(async (request, response) => {
        arrived.resolve();
        if (when === 'before it is read') await once(response, 'close');
        read.resolve(await readBody(request, 1024));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const {port} = server.address() as AddressInfo;
      // Half of what is announced.
      const headers = {'content-type': 'application/json', 'content-length': '2'};
      const request = rawRequest(`http://127.0.0.1:${port}`, {headers});
      request.on('error', () => undefined);
      await arrived.promise;
      request.destroy();
      assert.equal((await read.promise).kind, 'fault');
      server.close();
    });
});
