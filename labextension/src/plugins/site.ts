/**
 * The service, as the page knows it: one model for panel, status bar, commands and notices.
 *
 * Rule: activating it asks nothing. It connects when somebody looks, or once the application stands where a service is awake.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from '../api';
import { SiteModel } from '../site/model';
import { DOMAIN, ISite, PluginIDs } from '../tokens';
import { siteInWords } from '../words/inwords';
import { speaker } from '../words/served';

export const site: JupyterFrontEndPlugin<ISite> = {
  id: PluginIDs.site,
  description: 'The service: its runs, shapes, queues and data, on one connection.',
  autoStart: true,
  provides: ISite,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings);
    const model = new SiteModel(siteInWords(api, speaker(trans)));
    void app.restored.then(async () => {
      if (await api.awake(model.signal).catch(() => false)) {
        // also on a page without our server, as JupyterLite's
        model.open();
      }
    });
    return model;
  }
};
