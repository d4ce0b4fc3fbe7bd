/** What two peers have in common: the MCPX version and features that both declared, or nothing for a plain MCP peer. */
import * as z from 'zod';
import {EXTENSION_ID, FEATURES, type Feature, PROTOCOL_VERSION} from './version.ts';

export const ExtensionSettings = z.looseObject({
  version: z.string().regex(/^\d+\.\d+$/),
  features: z.array(z.string().max(64)).max(256),
});
export type ExtensionSettings = z.infer<typeof ExtensionSettings>;

export type ProtocolVersion =
  | {readonly kind: 'mcpx'; readonly version: string; readonly features: ReadonlySet<string>}
  | {readonly kind: 'mcp'}
  | {readonly kind: 'incompatible'; readonly theirs: string; readonly ours: string};

export function ownExtension(features: readonly string[] = FEATURES): ExtensionSettings {
  return {version: PROTOCOL_VERSION, features: [...features]};
}

/** The extension as MCP capabilities carry it, mirrored in `experimental` for peers from before `extensions`. */
export function extensionCapabilities(own: ExtensionSettings = ownExtension()): {
  extensions: Record<string, ExtensionSettings>;
  experimental: Record<string, ExtensionSettings>;
} {
  return {extensions: {[EXTENSION_ID]: own}, experimental: {[EXTENSION_ID]: own}};
}

/** Majors must agree; of the minors the lower one is spoken. */
export function negotiateProtocol(
  capabilities: unknown,
  own: ExtensionSettings = ownExtension(),
): ProtocolVersion {
  const theirs = declaredExtension(capabilities);
  if (!theirs) return {kind: 'mcp'};
  const [ourMajor, ourMinor] = versionParts(own.version);
  const [theirMajor, theirMinor] = versionParts(theirs.version);
  if (ourMajor !== theirMajor) return {kind: 'incompatible', theirs: theirs.version, ours: own.version};
  const ours = new Set(own.features);
  return {
    kind: 'mcpx',
    version: `${ourMajor}.${Math.min(ourMinor, theirMinor)}`,
    features: new Set(theirs.features.filter(feature => ours.has(feature))),
  };
}

export function supportsFeature(negotiated: ProtocolVersion, feature: Feature | (string & {})): boolean {
  return negotiated.kind === 'mcpx' && negotiated.features.has(feature);
}

function declaredExtension(capabilities: unknown): ExtensionSettings | undefined {
  if (capabilities === null || typeof capabilities !== 'object') return undefined;
  const {extensions, experimental} = capabilities as {extensions?: unknown; experimental?: unknown};
  for (const place of [extensions, experimental]) {
    if (place === null || typeof place !== 'object') continue;
    const parsed = ExtensionSettings.safeParse((place as Record<string, unknown>)[EXTENSION_ID]);
    if (parsed.success) return parsed.data;
  }
  return undefined;
}

function versionParts(version: string): [number, number] {
  const [major, minor] = version.split('.').map(Number);
  return [major ?? 0, minor ?? 0];
}
