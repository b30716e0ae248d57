/**
 * Making elements in one line; text goes in as text nodes only, so that nothing a run says becomes markup.
 */

export const PREFIX = 'jp-aicci-';

/** An element with our class names (prefix left out) and its children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  classes: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const name of classes.split(' ').filter(Boolean)) {
    element.classList.add(PREFIX + name);
  }
  element.append(...children);
  return element;
}

/** A button that does one thing. */
export function button(classes: string, label: string, onClick: () => void): HTMLButtonElement {
  const element = el('button', classes, label);
  element.type = 'button';
  element.addEventListener('click', onClick);
  return element;
}

/** Set the text where it differs: screen readers and selections are left alone otherwise. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
