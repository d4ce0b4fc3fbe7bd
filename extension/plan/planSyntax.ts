/** Plan text as the editor reads it while it is typed: whatever is whole of it, with every value's place. What is wrong is left to parsePlan. Pure. */
import {
  type Document,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml';

/** Offsets into the text; `to` is exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Longer plans are made by programs; reading one at every key would be felt. */
const MAX_CHARACTERS = 4 * 1024 * 1024;

export function readPlanSyntax(text: string): Document | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  return parseDocument(text, {uniqueKeys: false, merge: true, strict: false, logLevel: 'silent'});
}

export type Ancestors = readonly (Document | Node | {readonly key: unknown; readonly value: unknown})[];

/** A scalar with where it stands in the plan. */
export interface ScalarPlace {
  readonly scalar: Scalar;
  /** Of the value; for a key, of the value that it names. */
  readonly path: readonly PropertyKey[];
  readonly isKey: boolean;
  readonly ancestors: Ancestors;
}

/** The first scalar that fits. */
export function findScalar(document: Document, fits: (scalar: Scalar) => boolean): ScalarPlace | undefined {
  let found: ScalarPlace | undefined;
  visit(document, {
    Scalar(part, scalar, ancestors) {
      if (!fits(scalar)) return undefined;
      const isKey = part === 'key';
      const path = pathOf([...ancestors, scalar]);
      found = {scalar, path: isKey ? [...path, String(scalar.value)] : path, isKey, ancestors};
      return visit.BREAK;
    },
  });
  return found;
}

/** The scalar under the offset; one that ends there counts too. */
export function scalarAt(document: Document, offset: number): ScalarPlace | undefined {
  return findScalar(document, ({range}) => range != null && range[0] <= offset && offset <= range[1]);
}

/** Without its quotes. */
export function spanOf(node: Node): Span {
  const [from = 0, to = from] = node.range ?? [];
  const quotes = isScalar(node) && (node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE') ? 1 : 0;
  return {from: from + quotes, to: Math.max(from + quotes, to - quotes)};
}

/** Path of the last of `chain`, which begins with the document. */
function pathOf(chain: Ancestors): PropertyKey[] {
  const path: PropertyKey[] = [];
  chain.forEach((part, index) => {
    const next = chain[index + 1];
    if (isSeq(part)) path.push(part.items.indexOf(next));
    else if (isPair(part) && next === part.value && isScalar(part.key)) path.push(String(part.key.value));
  });
  return path;
}

/** The value at a key of a mapping. */
export function memberAt(node: unknown, key: string): unknown {
  if (!isMap(node)) return undefined;
  return node.items.find(({key: own}) => isScalar(own) && own.value === key)?.value ?? undefined;
}

export function itemsOf(node: unknown): readonly unknown[] {
  return isSeq(node) ? node.items : [];
}

export function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === 'string' ? node.value : undefined;
}
