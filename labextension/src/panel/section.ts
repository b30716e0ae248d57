/**
 * A part of the panel that folds: a heading that is a button, a word or control at its end, and what is under it.
 */
import { button, el } from '../card/dom';

let made = 0;

export class Section {
  readonly node: HTMLElement;
  readonly body = el('div', 'section-body');

  /** `name` is the section's in what is kept; `onFold` hears only of what a person does. */
  constructor(
    readonly name: string,
    title: string,
    tail: Node | string,
    onFold: () => void
  ) {
    this._press = button('section-title', title, () => {
      this.folded = !this.folded;
      onFold();
    });
    this.body.id = `jp-aicci-section-${++made}`;
    this._press.setAttribute('aria-controls', this.body.id);
    const heading = el(
      'div',
      'section-heading',
      el('h2', 'section-name', this._press),
      el('span', 'section-tail', tail)
    );
    this.node = el('section', 'section', heading, this.body);
    this.node.dataset.section = name;
    this.node.setAttribute('aria-label', title);
    this.folded = false;
  }

  get folded(): boolean {
    return this.body.hidden;
  }

  set folded(folded: boolean) {
    this.body.hidden = folded;
    this._press.setAttribute('aria-expanded', String(!folded));
  }

  private readonly _press: HTMLButtonElement;
}
