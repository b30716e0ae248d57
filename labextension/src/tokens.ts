/**
 * Names that other extensions may use: the MIME type, commands, plugins, and the token of the runs on the page.
 *
 * Importing this has no side effects.
 */
import { Token } from '@lumino/coreutils';

import type { IRunLease } from './runs/registry';
import type { ISiteModel } from './site/model';

export const MIME_TYPE = 'application/vnd.aicci.run+json';

/** The comm that the kernel's launch form opens to ask for a cell (widgets/inserting.py). */
export const FORM_TARGET = 'aicci:form';

/** Domain of the translation catalogue. */
export const DOMAIN = 'jupyter_aicci';

export const PluginIDs = {
  runs: 'jupyter-aicci:runs',
  renderer: 'jupyter-aicci:renderer',
  open: 'jupyter-aicci:open',
  site: 'jupyter-aicci:site',
  panel: 'jupyter-aicci:panel',
  status: 'jupyter-aicci:status',
  commands: 'jupyter-aicci:commands',
  cells: 'jupyter-aicci:cells',
  notices: 'jupyter-aicci:notices',
  schemas: 'jupyter-aicci:schemas',
  recorded: 'jupyter-aicci:recorded',
  forms: 'jupyter-aicci:forms'
} as const;

export const CommandIDs = {
  /** Arguments: `{ id: string }`, the run's id. */
  openRun: 'aicci:open-run',
  /** Arguments: `{ id: string, ask?: boolean }`; asks first unless `ask` is false. */
  stopRun: 'aicci:stop-run',
  /** Arguments: `{ id: string }`. */
  copyRunId: 'aicci:copy-run-id',
  /** Arguments: `{ id: string }`: a cell `%aicci attach ID` below the active one. */
  insertAttach: 'aicci:insert-attach',
  /** Arguments: `{ magic: string }`: a cell that begins with this line, below the active one. */
  insertCell: 'aicci:insert-cell',
  /** The side panel, and its form. */
  showPanel: 'aicci:show-panel',
  newRun: 'aicci:new-run',
  /** Of the active `%%aicci` cell. */
  runCell: 'aicci:run-cell',
  stopCell: 'aicci:stop-cell',
  openCell: 'aicci:open-cell'
} as const;

/** The runs that are on this page; everyone who shows a run leases its one model here. */
export interface IRuns {
  lease(id: string): IRunLease;
}

/** The service: its runs, shapes, queues and data. */
export type ISite = ISiteModel;

export const ISite = new Token<ISite>('jupyter-aicci:ISite', 'The service of jupyter-aicci, as the page knows it.');

export const IRuns = new Token<IRuns>('jupyter-aicci:IRuns', 'The live runs of jupyter-aicci, one model each.');
