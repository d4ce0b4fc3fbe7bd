/** What the hub says that it can, as an MCP server: everything that a surface may have, and our extension to whoever declared it. */
import type {ServerCapabilities} from '@modelcontextprotocol/server';
import {negotiateProtocol, ownExtension} from '../protocol/negotiation.ts';
import {EXTENSION_ID} from '../protocol/version.ts';

const PLAIN: ServerCapabilities = {
  tools: {listChanged: true},
  resources: {listChanged: true, subscribe: true},
  prompts: {listChanged: true},
  completions: {},
  logging: {},
};

const {version, features} = ownExtension();
const EXTENSION = {[EXTENSION_ID]: {version, features}};
const EXTENDED: ServerCapabilities = {...PLAIN, extensions: EXTENSION, experimental: EXTENSION};

export function serverCapabilities(extended: boolean): ServerCapabilities {
  return extended ? EXTENDED : PLAIN;
}

/** `declared`: the client's capabilities. A major of the extension that is not ours is as good as none. */
export function declaresExtension(declared: unknown): boolean {
  return negotiateProtocol(declared).kind === 'mcpx';
}
