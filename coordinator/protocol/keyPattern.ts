/**
 * Patterns over keys that look like paths: `*` stands for anything within a segment, `**` for anything at all, `?` for one character but a
 * slash. `a/**` matches `a/b` and `a/b/c`. Pure, and linear in the length of the key, whatever the pattern is.
 */
import * as z from 'zod';

export const KeyPattern = z.string().min(1).max(256);

type Token = {readonly kind: 'text'; readonly char: string} | {readonly kind: 'one' | 'segment' | 'any'};

export interface CompiledPattern {
  /** Every key that matches begins with it. */
  readonly prefix: string;
  matches(key: string): boolean;
}

export function compilePattern(pattern: string): CompiledPattern {
  const tokens = tokensOf(pattern);
  const special = tokens.findIndex(({kind}) => kind !== 'text');
  const prefix = special < 0 ? pattern : [...pattern].slice(0, special).join('');
  return {prefix, matches: key => runs(tokens, key)};
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === '?') tokens.push({kind: 'one'});
    else if (char !== '*') tokens.push({kind: 'text', char});
    else {
      const any = chars[at + 1] === '*';
      while (chars[at + 1] === '*') at++;
      tokens.push({kind: any ? 'any' : 'segment'});
    }
  }
  return tokens;
}

/** Every place in the pattern where the key may be so far, kept as a set: nothing is tried twice. */
function runs(tokens: readonly Token[], key: string): boolean {
  let places = reachable(tokens, [0]);
  for (const char of key) {
    const next: number[] = [];
    for (const place of places) {
      const token = tokens[place];
      if (token?.kind === 'text' && token.char === char) next.push(place + 1);
      if (token?.kind === 'one' && char !== '/') next.push(place + 1);
      if (token?.kind === 'segment' && char !== '/') next.push(place);
      if (token?.kind === 'any') next.push(place);
    }
    if (next.length === 0) return false;
    places = reachable(tokens, next);
  }
  return places.has(tokens.length);
}

/** Stars may stand for nothing. */
function reachable(tokens: readonly Token[], from: readonly number[]): Set<number> {
  const places = new Set<number>();
  for (let place of from) {
    places.add(place);
    for (let kind = tokens[place]?.kind; kind === 'segment' || kind === 'any'; kind = tokens[place]?.kind)
      places.add(++place);
  }
  return places;
}
