/**
 * The page's theme as the chart needs it: which palette, and the colours of JupyterLab's variables as plain CSS colours.
 *
 * Bokeh draws on a canvas and reads no CSS variable, so they are resolved here, and again after each change of theme.
 */
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

import type { Palette } from '../protocol';

export interface IPageColours {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
}

/** The palette of the colour table that fits the page's theme. */
export function palette(): Palette {
  const { jpThemeLight, jpThemeName } = document.body.dataset;
  if (/contrast/i.test(jpThemeName ?? '')) {
    return 'contrast';
  }
  return jpThemeLight === 'false' ? 'dark' : 'light';
}

export function pageColours(): IPageColours {
  const style = getComputedStyle(document.body);
  const colour = (name: string, otherwise: string): string => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: colour('--jp-ui-font-color1', 'black'),
    muted: colour('--jp-ui-font-color2', 'gray'),
    grid: colour('--jp-border-color2', 'lightgray'),
    background: colour('--jp-layout-color0', 'white')
  };
}

/** Call `changed` after each change of theme; JupyterLab marks the body once the theme's style sheet is there. */
export function onThemeChange(changed: () => void): IDisposable {
  const observer = new MutationObserver(changed);
  observer.observe(document.body, { attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name'] });
  return new DisposableDelegate(() => observer.disconnect());
}
