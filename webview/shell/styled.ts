/** Styles that are computed, set property by property: a page's policy forbids the style attribute. */
import {noChange} from 'lit';
import {Directive, directive, type ElementPart, type PartInfo, PartType} from 'lit/directive.js';

type Styles = Readonly<Record<string, string>>;

class Styled extends Directive {
  constructor(part: PartInfo) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error('styled() stands for itself in a tag');
  }

  render(_styles: Styles): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [styles]: [Styles]): typeof noChange {
    const {element} = part;
    if (element instanceof HTMLElement || element instanceof SVGElement)
      for (const [name, value] of Object.entries(styles)) element.style.setProperty(name, value);
    return noChange;
  }
}

/** `<div ${styled({'--at': '3px'})}>`: names as in CSS. A property that is to go is given as ''. */
export const styled = directive(Styled);
