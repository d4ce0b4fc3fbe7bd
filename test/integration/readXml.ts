/** Reads the XML that reporters of tests read: elements, attributes, text. Throws at the first thing that is not well-formed. */
import assert from 'node:assert/strict';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

interface OpenElement {
  readonly name: string;
  readonly attributes: Record<string, string>;
  readonly children: XmlElement[];
  text: string;
}

const DECLARATION = /^<\?xml version="1\.0" encoding="UTF-8"\?>\s*/;
const TAG = /<(\/?)([A-Za-z_][\w.-]*)((?:\s+[A-Za-z_][\w.-]*="[^"<]*")*)\s*(\/?)>/y;
const ATTRIBUTE = /([A-Za-z_][\w.-]*)="([^"<]*)"/g;
const TEXT = /[^<]+/y;
const ENTITIES: Readonly<Record<string, string>> = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'"};

export function readXml(source: string): XmlElement {
  const declaration = DECLARATION.exec(source);
  assert.ok(declaration, 'it begins with its declaration');
  const document: OpenElement = {name: '', attributes: {}, children: [], text: ''};
  const open = [document];
  let at = declaration[0].length;
  while (at < source.length) {
    const top = open.at(-1);
    assert.ok(top, `nothing is open at ${at}`);
    const text = matchAt(TEXT, source, at);
    if (text) {
      top.text += unescapeXml(text[0]);
      at += text[0].length;
      continue;
    }
    const tag = matchAt(TAG, source, at);
    assert.ok(tag, `not a tag: ${source.slice(at, at + 60)}`);
    at += tag[0].length;
    const [, closes, name = '', attributes = '', closesItself] = tag;
    if (closes) {
      assert.equal(name, top.name, `</${name}> closes <${top.name}>`);
      open.pop();
      continue;
    }
    const element: OpenElement = {name, attributes: readAttributes(attributes), children: [], text: ''};
    top.children.push(element);
    if (!closesItself) open.push(element);
  }
  assert.deepEqual(open, [document], 'every element is closed');
  assert.equal(document.text.trim(), '');
  const [root, ...others] = document.children;
  assert.ok(root && others.length === 0, 'there is one root element');
  return root;
}

/** Elements of that name below `element`, in document order. */
export function elementsOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap(child => [
    ...(child.name === name ? [child] : []),
    ...elementsOf(child, name),
  ]);
}

function readAttributes(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(ATTRIBUTE)) {
    assert.ok(!Object.hasOwn(found, name), `${name} is there twice`);
    found[name] = unescapeXml(value);
  }
  return found;
}

function unescapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 cannot hold them
  assert.doesNotMatch(text, /[\x00-\x08\x0b\x0c\x0e-\x1f]/);
  return text.replaceAll(/&([^;]*);?/g, (all, name: string) => {
    const character = ENTITIES[name];
    assert.ok(character !== undefined && all.endsWith(';'), `${all} is not an entity`);
    return character;
  });
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
