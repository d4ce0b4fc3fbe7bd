/** A server as people see it: without what may be secret. Pure. */
import type {ServerDefinition, ServerEndpoint} from '../../protocol/model/server.ts';
import type {ServerOAuth} from '../../protocol/model/serverOAuth.ts';

export const HIDDEN = '***';

const SECRET_NAME = /(?:key|token|secret|passw|credential|auth|bearer|cookie)/i;
const REFERENCE_ONLY = /^(?:[A-Za-z]+ )?\$\{[^}:]+\}$/;

/** A mere reference to a variable is no secret. */
export function withoutSecrets(definition: ServerDefinition): ServerDefinition {
  return {
    ...definition,
    endpoint: endpointWithout(definition.endpoint),
    replicas: definition.replicas.map(endpointWithout),
  };
}

function endpointWithout<E extends ServerEndpoint>(endpoint: E): E {
  if (endpoint.type === 'stdio')
    return {...endpoint, env: hidden(endpoint.env), args: argsWithout(endpoint.args)};
  const {oauth} = endpoint;
  return {
    ...endpoint,
    headers: hidden(endpoint.headers),
    url: urlWithout(endpoint.url),
    ...(oauth && {oauth: oauthWithout(oauth)}),
  };
}

function oauthWithout(oauth: ServerOAuth): ServerOAuth {
  const {clientSecret, privateKey, ...rest} = oauth;
  return {
    ...rest,
    ...hidden({
      ...(clientSecret !== undefined && {clientSecret}),
      ...(privateKey !== undefined && {privateKey}),
    }),
  };
}

function hidden(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, REFERENCE_ONLY.test(value) ? value : HIDDEN]),
  );
}

/** `--api-key VALUE`, `--api-key=VALUE` and `API_KEY=VALUE`. */
function argsWithout(args: readonly string[]): string[] {
  return args.map((arg, at) => {
    const [name = '', ...value] = arg.split('=');
    if (value.length > 0) return SECRET_NAME.test(name) ? `${name}=${HIDDEN}` : arg;
    const before = args[at - 1] ?? '';
    const isValue = before.startsWith('-') && !before.includes('=') && !arg.startsWith('-');
    return isValue && SECRET_NAME.test(before) && !REFERENCE_ONLY.test(arg) ? HIDDEN : arg;
  });
}

function urlWithout(text: string): string {
  return text
    .replace(/\/\/[^/@]+@/, `//${HIDDEN}@`)
    .replaceAll(/([?&][^=&#]+=)([^&#]*)/g, (_, name: string, value: string) =>
      REFERENCE_ONLY.test(value) ? name + value : name + HIDDEN,
    );
}
