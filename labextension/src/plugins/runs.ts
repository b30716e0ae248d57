/**
 * The live runs on the page, and their cards in the outputs of cells.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from '../api';
import { keeper } from '../keeping';
import { rendererFactory } from '../mime';
import { Runs } from '../runs/registry';
import { CommandIDs, DOMAIN, IRuns, ISite, PluginIDs } from '../tokens';
import { runsInWords } from '../words/inwords';
import { speaker } from '../words/served';

export const runs: JupyterFrontEndPlugin<IRuns> = {
  id: PluginIDs.runs,
  description: 'The live runs on this page, one connection each.',
  autoStart: true,
  provides: IRuns,
  requires: [ISite],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, site: ISite, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const onPage = new Runs(runsInWords(new Api(app.serviceManager.serverSettings), speaker(trans)));
    return {
      lease: id => {
        site.open(); // whoever shows a run has a service
        return onPage.lease(id);
      }
    };
  }
};

export const renderer: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.renderer,
  description: 'Draws a run in the output of its cell.',
  autoStart: true,
  requires: [IRuns],
  optional: [IRenderMimeRegistry, IDocumentManager, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    runsOnPage: IRuns,
    registry: IRenderMimeRegistry | null,
    documents: IDocumentManager | null,
    translator: ITranslator | null
  ) => {
    const api = new Api(app.serviceManager.serverSettings);
    registry?.addFactory(
      rendererFactory({
        runs: runsOnPage,
        trans: (translator ?? nullTranslator).load(DOMAIN),
        bokehUrl: version => api.bokehUrl(version),
        open: id => void app.commands.execute(CommandIDs.openRun, { id }),
        keep: keeper(documents)
      })
    );
  }
};
