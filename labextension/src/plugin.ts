/**
 * The wiring: which parts JupyterLab and Notebook 7 get. Every token but the application's own is optional.
 */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from './api';
import { inserting } from './inserting';
import { keeper } from './keeping';
import { rendererFactory } from './mime';
import { Runs } from './runs/registry';
import { RunTab } from './tab';
import { CommandIDs, DOMAIN, IRuns, PluginIDs } from './tokens';
import { runsInWords } from './words/inwords';
import { speaker } from './words/served';

const runs: JupyterFrontEndPlugin<IRuns> = {
  id: PluginIDs.runs,
  description: 'The live runs on this page, one connection each.',
  autoStart: true,
  provides: IRuns,
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    return new Runs(runsInWords(new Api(app.serviceManager.serverSettings), speaker(trans)));
  }
};

const renderer: JupyterFrontEndPlugin<void> = {
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

const open: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.open,
  description: 'Opens a run in a tab of its own.',
  autoStart: true,
  requires: [IRuns],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    runsOnPage: IRuns,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings);
    const tracker = new WidgetTracker<MainAreaWidget<RunTab>>({ namespace: 'aicci-runs' });
    const nameOf = (tab: MainAreaWidget<RunTab>): string => tab.content.runId;
    app.commands.addCommand(CommandIDs.openRun, {
      label: trans.__('Open run in a tab'),
      execute: async args => {
        const id = args.id as string;
        let tab = tracker.find(each => nameOf(each) === id);
        if (!tab) {
          const content = new RunTab(runsOnPage.lease(id), trans, version => api.bokehUrl(version));
          tab = new MainAreaWidget({ content });
          tab.id = `jp-aicci-run-${id}`;
          app.shell.add(tab, 'main');
          if (!tab.isAttached) {
            content.addClass('jp-aicci-mod-below');
            app.shell.add(tab, 'down'); // Notebook 7 has one place in its main area, and the notebook is there
          }
          await tracker.add(tab);
        }
        app.shell.activateById(tab.id);
      }
    });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openRun,
        args: tab => ({ id: nameOf(tab) }),
        name: nameOf
      });
    }
  }
};

const plugins: JupyterFrontEndPlugin<unknown>[] = [runs, renderer, open, inserting];
export default plugins;
