/**
 * A run in a tab of its own, which is there again after a reload.
 */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from '../api';
import { RunTab } from '../tab';
import { CommandIDs, DOMAIN, IRuns, ISite, PluginIDs } from '../tokens';
import { idArgs, runChooser } from './choose';

export const open: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.open,
  description: 'Opens a run in a tab of its own.',
  autoStart: true,
  requires: [IRuns, ISite],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    runsOnPage: IRuns,
    site: ISite,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const api = new Api(app.serviceManager.serverSettings);
    const choose = runChooser(app, site, trans);
    const tracker = new WidgetTracker<MainAreaWidget<RunTab>>({ namespace: 'aicci-runs' });
    const nameOf = (tab: MainAreaWidget<RunTab>): string => tab.content.runId;
    const opened = async (id: string): Promise<MainAreaWidget<RunTab>> => {
      const content = new RunTab(runsOnPage.lease(id), trans, version => api.bokehUrl(version));
      const tab = new MainAreaWidget({ content, ...(translator && { translator }) });
      tab.id = `jp-aicci-run-${id}`;
      app.shell.add(tab, 'main');
      if (!tab.isAttached) {
        content.addClass('jp-aicci-mod-below');
        app.shell.add(tab, 'down'); // Notebook 7 has one place in its main area, and the notebook is there
      }
      await tracker.add(tab);
      return tab;
    };
    app.commands.addCommand(CommandIDs.openRun, {
      label: args => (args.isPalette ? trans.__('Open a Run…') : trans.__('Open Run in a Tab')),
      caption: trans.__('Show the timeline, findings and logs of a run in a tab of its own'),
      describedBy: { args: idArgs },
      execute: async args => {
        const id = await choose(args, trans.__('Open a run'), () => true);
        if (id) {
          const tab = tracker.find(each => nameOf(each) === id) ?? (await opened(id));
          app.shell.activateById(tab.id);
        }
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
