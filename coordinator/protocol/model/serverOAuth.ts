/** How the hub gets into an MCP server that wants OAuth: what its registration says of it, and what is kept once somebody has logged in. */
import * as z from 'zod';
import {WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

const Text = z.string().min(1).max(8192);

/** Each may hold ${VAR}, as headers may. Without it a server that wants a login gets one by a client that is registered there by itself. */
export const ServerOAuth = z.strictObject({
  /** Default: `authorization_code`: a person logs in (mcpx servers login). `client_credentials`: the hub does, by its own id and secret or key. */
  grant: z.enum(['authorization_code', 'client_credentials']).optional(),
  /** Of a client that is registered already. */
  clientId: Text.optional(),
  clientSecret: Text.optional(),
  /** Default: what the authorization server says, basic first. */
  clientAuthentication: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .optional(),
  /** PEM (PKCS #8) that signs for the client: `private_key_jwt` of `client_credentials`. */
  privateKey: z.string().min(1).max(16_384).optional(),
  /** Of that key. Default: RS256. */
  algorithm: Text.optional(),
  /** Separated by spaces. Default: what the server asks for. */
  scope: Text.optional(),
  /** https:// address of the client's metadata, which is its id where the authorization server knows of such. */
  clientMetadataUrl: Text.optional(),
  /** The only authorization server that is told the client's secret, and logs in. Required with a secret or key. Default: the one that the server names. */
  issuer: Text.optional(),
});
export type ServerOAuth = z.infer<typeof ServerOAuth>;

/** As authorization servers say it; fields that are not known here stay. */
const OAuthTokensKept = z.looseObject({
  access_token: z.string(),
  token_type: z.string(),
  refresh_token: z.string().optional(),
  scope: z.string().optional(),
  expires_in: z.number().optional(),
});

/** Of a client that was registered for this login. */
const OAuthClientKept = z.looseObject({client_id: z.string(), client_secret: z.string().optional()});

/** What a login has brought: secret, and for one server at one address by one authorization server. */
export const LoginOutcome = z.object({
  /** The server's address, its variables filled in. */
  url: z.string(),
  issuer: z.string(),
  /** Resource indicator (RFC 8707) that the tokens are for. */
  resource: z.string().optional(),
  clientId: z.string(),
  /** Absent for one that the registration names: what is secret of it stays there. */
  client: OAuthClientKept.optional(),
  tokens: OAuthTokensKept,
  /** What was asked for; the tokens may say that less was given. */
  scope: z.string().optional(),
  /** Of the login: the same as long as tokens are only renewed. */
  login: z.string(),
  loggedInAt: WallTime,
});
export type LoginOutcome = z.infer<typeof LoginOutcome>;

export const ServerCredentials = z.looseObject({...recordFields, ...LoginOutcome.shape});
export type ServerCredentials = z.infer<typeof ServerCredentials>;
