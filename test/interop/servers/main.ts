/** A server of the conformance scenarios as a process: `main.ts both|legacy stdio|http`. Over HTTP its address is the one line of its output. */
import {StdioServerTransport} from '@modelcontextprotocol/sdk/server/stdio.js';
import {serveStdio} from '@modelcontextprotocol/server/stdio';
import {serveHttp} from './http.ts';
import {legacyServer} from './legacyServer.ts';
import {modernServer} from './modernServer.ts';

const [era, transport] = process.argv.slice(2);
if ((era !== 'both' && era !== 'legacy') || (transport !== 'stdio' && transport !== 'http'))
  throw new Error('usage: main.ts both|legacy stdio|http');
if (transport === 'http') console.log((await serveHttp(era)).url);
else if (era === 'legacy') await legacyServer().connect(new StdioServerTransport());
else
  serveStdio(() =>
    modernServer(
      (change, server) =>
        void (change === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged()),
    ),
  );
