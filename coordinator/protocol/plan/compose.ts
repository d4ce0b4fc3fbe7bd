/**
 * Plan text to YAML nodes, within bounds that hold before anything recurses: size, tokens and nesting. What the nodes mean is left to
 * evaluate.ts. JSON is YAML, so it takes the same way.
 */
import {Composer, Lexer, LineCounter, type ParsedNode, Parser, type YAMLError} from 'yaml';
import {MAX_DIAGNOSTICS, type PlanDiagnostic, type PlanPosition} from './diagnostics.ts';

export const MAX_PLAN_CHARACTERS = 16 * 1024 * 1024;
/** Deeper than any plan; shallow enough for every recursive reader of one. */
export const MAX_NESTING = 100;
/** About twice what 100,000 tasks with a few keys each need. */
const MAX_TOKENS = 6_000_000;

export type ComposedPlan =
  | {readonly kind: 'composed'; readonly contents: ParsedNode | null; readonly lines: LineCounter}
  | {readonly kind: 'invalid'; readonly diagnostics: readonly PlanDiagnostic[]};

export function composePlan(text: string): ComposedPlan {
  const lines = new LineCounter();
  const failed = (message: string, offset: number): ComposedPlan => ({
    kind: 'invalid',
    diagnostics: [{severity: 'error', field: '', message, position: rangeOf(lines, offset, offset + 1)}],
  });
  lines.addNewLine(0);
  if (text.length > MAX_PLAN_CHARACTERS)
    return failed(`the plan has ${text.length} characters; at most ${MAX_PLAN_CHARACTERS} are read`, 0);
  const binary = findControlCharacter(text);
  if (binary >= 0) {
    for (let at = text.indexOf('\n'); at >= 0 && at < binary; at = text.indexOf('\n', at + 1))
      lines.addNewLine(at + 1);
    return failed(`the control character ${codePoint(text, binary)} does not belong in a text file`, binary);
  }

  const parser = new Parser(lines.addNewLine);
  // Keys are compared in evaluate.ts: here it would take time quadratic in their number.
  const composer = new Composer({uniqueKeys: false, logLevel: 'silent', strict: true, merge: true});
  const documents = [];
  let tokens = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++tokens > MAX_TOKENS) return failed(`the plan has more than ${MAX_TOKENS} tokens`, parser.offset);
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
    if (parser.stack.length > MAX_NESTING + 2)
      return failed(`nested more than ${MAX_NESTING} levels deep`, parser.offset);
  }
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end(true, text.length));

  const [document, second] = documents;
  const errors = documents.flatMap(each => [...each.errors, ...each.warnings]);
  if (errors.length > 0)
    return {
      kind: 'invalid',
      diagnostics: errors.slice(0, MAX_DIAGNOSTICS).map(error => yamlDiagnostic(error, lines)),
    };
  if (second)
    return failed(
      'a second document begins here: a file holds one plan',
      second.range[0] < text.length ? second.range[0] : 0,
    );
  const version = document?.directives.yaml.version;
  if (version !== undefined && version !== '1.2')
    return failed(`YAML ${version} is not supported: remove the %YAML directive`, 0);
  return {kind: 'composed', contents: document?.contents ?? null, lines};
}

export function rangeOf(lines: LineCounter, from: number, to: number): PlanPosition {
  const [start, end] = [lines.linePos(Math.max(0, from)), lines.linePos(Math.max(0, from, to))];
  return {
    line: Math.max(1, start.line),
    column: Math.max(1, start.col),
    end: {line: Math.max(1, end.line), column: Math.max(1, end.col)},
  };
}

/** Where the library's words need a parser writer to read them. */
const ADVICE: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  MULTILINE_IMPLICIT_KEY: 'a key and its ":" must be on one line, with a space after the ":"',
  BLOCK_AS_IMPLICIT_KEY: 'no mapping or list can begin here; text that contains ": " needs quotes',
};

function yamlDiagnostic(error: YAMLError, lines: LineCounter): PlanDiagnostic {
  return {
    severity: 'error',
    field: '',
    message: ADVICE[error.code] ?? oneLine(error.message),
    position: rangeOf(lines, error.pos[0], error.pos[1]),
  };
}

/** The library quotes the text of the plan as it is. */
function oneLine(message: string): string {
  const line = (message.split('\n', 1)[0] ?? '').replaceAll(/\p{Cc}/gu, character => codePoint(character, 0));
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

/** Offset of the first character that no text has, or -1. Tab, line feed and carriage return are text. */
function findControlCharacter(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
  return text.search(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/);
}

function codePoint(text: string, offset: number): string {
  return `U+${text.charCodeAt(offset).toString(16).toUpperCase().padStart(4, '0')}`;
}
