/**
 * The wiring: which parts JupyterLab and Notebook 7 get, one plugin per concern.
 *
 * Every token of others but the application's own is optional, so that each application gets what it has a place for.
 */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { recorded } from '../recorded/plugin';
import { cells } from './cells';
import { commands } from './commands';
import { forms } from './forms';
import { notices } from './notices';
import { open } from './open';
import { panel, status } from './panel';
import { renderer, runs } from './runs';
import { schemas } from './schemas';
import { site } from './site';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  site,
  runs,
  renderer,
  open,
  panel,
  status,
  commands,
  cells,
  forms,
  notices,
  schemas,
  recorded
];
export default plugins;
