/** TypeScript as text for checks that need no compiler: code without comments and strings, and the imports of a file. */

export interface ImportStatement {
  readonly specifier: string;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Positions and line breaks stay; comments, the text of strings and templates, and regular expressions become spaces. */
export function codeOnly(source: string): string {
  let code = '';
  /** Depth of braces in each template that is open. */
  const templates: number[] = [];
  let at = 0;
  const blank = (until: number): void => {
    code += source.slice(at, until).replaceAll(/[^\n]/g, ' ');
    at = until;
  };
  while (at < source.length) {
    const character = source[at] ?? '';
    const two = source.slice(at, at + 2);
    if (two === '//') blank(endOf(source.indexOf('\n', at), source));
    else if (two === '/*') blank(endOf(source.indexOf('*/', at + 2), source, 2));
    else if (character === '"' || character === "'") blank(endOfString(source, at + 1, character));
    else if (character === '`' || (character === '}' && templates.at(-1) === 0)) {
      if (character === '}') templates.pop();
      const end = endOfTemplatePart(source, at + 1);
      blank(end);
      if (source[end - 1] === '{') templates.push(0);
    } else if (character === '/' && startsRegExp(code)) blank(endOfRegExp(source, at + 1));
    else {
      const open = templates.length - 1;
      if (open >= 0 && character === '{') templates[open] = (templates[open] ?? 0) + 1;
      if (open >= 0 && character === '}') templates[open] = (templates[open] ?? 0) - 1;
      code += character;
      at += 1;
    }
  }
  return code;
}

export function importsOf(source: string): ImportStatement[] {
  const code = codeOnly(source);
  const found: ImportStatement[] = [];
  const add = (at: number, text: string, specifier: string | undefined): void => {
    // In a string or a comment the statement's own words are blank.
    if (specifier === undefined || !/^(?:import|export)/.test(code.slice(at))) return;
    const typeOnly =
      /^(?:import|export)\s+type\b/.test(text) || /^import\s*\{(?:\s*type\s[^,}]*,?)+\s*\}/.test(text);
    found.push({specifier, typeOnly, line: lineOf(source, at)});
  };
  for (const match of source.matchAll(/^(?:import|export)\s[^;'"`]*?\bfrom\s+'([^'\n]+)'/gm))
    add(match.index, match[0], match[1]);
  for (const match of source.matchAll(/^import\s+'([^'\n]+)'/gm)) add(match.index, match[0], match[1]);
  for (const match of source.matchAll(/\bimport\(\s*'([^'\n]+)'\s*\)/g)) add(match.index, match[0], match[1]);
  return found;
}

export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

function endOf(found: number, source: string, length = 0): number {
  return found < 0 ? source.length : found + length;
}

function endOfString(source: string, from: number, quote: string): number {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === quote || source[at] === '\n') return at + 1;
  }
  return source.length;
}

/** After the closing backtick, or after the `${` that interrupts the text. */
function endOfTemplatePart(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    if (source[at] === '\\') at += 1;
    else if (source[at] === '`') return at + 1;
    else if (source[at] === '$' && source[at + 1] === '{') return at + 2;
  }
  return source.length;
}

/** A slash divides after a value and begins a regular expression elsewhere. */
function startsRegExp(codeBefore: string): boolean {
  const before = codeBefore.slice(-200).trimEnd();
  return /(?:^|[=(,:[!&|?{};+\-*%<>~^]|=>|\b(?:return|typeof|case|of|in|do|else|void|yield|await))$/.test(
    before,
  );
}

function endOfRegExp(source: string, from: number): number {
  let inClass = false;
  for (let at = from; at < source.length; at++) {
    const character = source[at];
    if (character === '\\') at += 1;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '\n' || (character === '/' && !inClass)) return at + 1;
  }
  return source.length;
}
