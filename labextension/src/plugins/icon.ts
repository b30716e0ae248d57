/** The icon of panel and buttons: the bars of a timeline. */
import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
<g class="jp-icon3" fill="#616161"><rect x="3" y="4" width="11" height="4" rx="1"/><rect x="7" y="10" width="14" height="4" rx="1"/>
<rect x="3" y="16" width="8" height="4" rx="1"/><rect x="13" y="16" width="5" height="4" rx="1"/></g></svg>`;

export const trainingIcon = new LabIcon({ name: 'jupyter-aicci:training', svgstr: SVG });
