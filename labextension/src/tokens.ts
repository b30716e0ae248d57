/**
 * Names that other extensions may use: the MIME type, commands, plugins, and the token of the runs on the page.
 *
 * Importing this has no side effects.
 */
import { Token } from '@lumino/coreutils';

import type { IRunLease } from './runs/registry';

export const MIME_TYPE = 'application/vnd.aicci.run+json';

/** Domain of the translation catalogue. */
export const DOMAIN = 'jupyter_aicci';

export const PluginIDs = {
  runs: 'jupyter-aicci:runs',
  renderer: 'jupyter-aicci:renderer',
  open: 'jupyter-aicci:open'
} as const;

export const CommandIDs = {
  /** Arguments: `{ id: string }`, the run's id. */
  openRun: 'aicci:open-run'
} as const;

/** The runs that are on this page; everyone who shows a run leases its one model here. */
export interface IRuns {
  lease(id: string): IRunLease;
}

export const IRuns = new Token<IRuns>('jupyter-aicci:IRuns', 'The live runs of jupyter-aicci, one model each.');
