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
  const isLight = jpThemeLight === undefined ? !isDark(pageColours().background) : jpThemeLight !== 'false';
  return isLight ? 'light' : 'dark';
}

/** Of a page that is not JupyterLab's, by what it is drawn on. */
function isDark(colour: string): boolean {
  const probe = document.createElement('span');
  probe.style.color = colour;
  document.body.append(probe);
  const [red = 255, green = 255, blue = 255] = (getComputedStyle(probe).color.match(/[\d.]+/g) ?? []).map(Number);
  probe.remove();
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
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

/** What JupyterLab and VS Code write on the body. */
const THEME_MARKS = ['data-jp-theme-light', 'data-jp-theme-name', 'data-vscode-theme-kind'];

/** Call `changed` after each change of theme; JupyterLab marks the body once the theme's style sheet is there. */
export function onThemeChange(changed: () => void): IDisposable {
  const observer = new MutationObserver(changed);
  observer.observe(document.body, { attributeFilter: THEME_MARKS });
  return new DisposableDelegate(() => observer.disconnect());
}
