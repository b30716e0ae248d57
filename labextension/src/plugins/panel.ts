/**
 * The side panel and the status bar's item.
 */
import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { IKeeper, IPanelActions } from '../panel/actions';
import { TrainingPanel } from '../panel/panel';
import { StatusItem } from '../status/item';
import { CommandIDs, DOMAIN, ISite, PluginIDs } from '../tokens';
import { trainingIcon } from './icon';

const STATE_KEY = 'jupyter-aicci:panel';

export const panel: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.panel,
  description: 'The side panel: new run, shapes, runs, queues, data.',
  autoStart: true,
  requires: [ISite],
  optional: [ITranslator, ILayoutRestorer, IStateDB, IDocumentManager],
  activate: (
    app: JupyterFrontEnd,
    site: ISite,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    states: IStateDB | null,
    documents: IDocumentManager | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const side = new TrainingPanel(site, actionsOf(app, documents), keeperOf(states), trans);
    side.title.icon = trainingIcon;
    app.shell.add(side, 'left', { rank: 300, type: 'Training' });
    restorer?.add(side, side.id);
    const show = (): void => app.shell.activateById(side.id);
    app.commands.addCommand(CommandIDs.showPanel, {
      label: trans.__('Show Training Panel'),
      caption: trans.__('What can be launched, what runs, queues and data'),
      icon: args => (args.isPalette ? undefined : trainingIcon),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: show
    });
    app.commands.addCommand(CommandIDs.newRun, {
      label: trans.__('New Run…'),
      caption: trans.__('Choose shape, nodes, data and budget, and see when it would start'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        show();
        side.newRun();
      }
    });
  }
};

export const status: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.status,
  description: 'What runs and what it costs an hour, in the status bar.',
  autoStart: true,
  requires: [ISite],
  optional: [IStatusBar, ITranslator],
  activate: (app: JupyterFrontEnd, site: ISite, bar: IStatusBar | null, translator: ITranslator | null) => {
    if (bar) {
      const trans = (translator ?? nullTranslator).load(DOMAIN);
      const item = new StatusItem(site, () => void app.commands.execute(CommandIDs.showPanel), trans);
      bar.registerStatusItem(PluginIDs.status, {
        item,
        align: 'right',
        rank: 50,
        isActive: () => item.isActive,
        activeStateChanged: item.activeChanged
      });
    }
  }
};

function actionsOf(app: JupyterFrontEnd, documents: IDocumentManager | null): IPanelActions {
  const run = (command: string, args: Record<string, string>): Promise<unknown> => app.commands.execute(command, args);
  return {
    open: id => void run(CommandIDs.openRun, { id }),
    stop: id => void run(CommandIDs.stopRun, { id }),
    copyId: id => void run(CommandIDs.copyRunId, { id }),
    insertCell: async magic => {
      await run(CommandIDs.insertCell, { magic });
    },
    chooseFile: () => (documents ? chosen(documents) : Promise.resolve(null))
  };
}

async function chosen(manager: IDocumentManager): Promise<string | null> {
  const isPython = (name: string): boolean => name.endsWith('.py');
  const filter = (model: { type: string; name: string }): { score: number } | null =>
    model.type === 'directory' || isPython(model.name) ? { score: 1 } : null;
  const { button, value } = await FileDialog.getOpenFiles({ manager, filter });
  return button.accept ? (value?.[0]?.path ?? null) : null;
}

function keeperOf(states: IStateDB | null): IKeeper {
  return {
    fetch: () => states?.fetch(STATE_KEY) ?? Promise.resolve(undefined),
    save: kept => void states?.save(STATE_KEY, { ...kept })
  };
}
