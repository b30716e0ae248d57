/**
 * Buttons on the toolbar of cells that begin with `%%aicci`: run the cell, stop its run, open its timeline.
 *
 * Where they stand is in schema/cells.json. Rule: which run a cell means is read from its output, which names it.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { Cell, CodeCell, ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { runIcon, stopIcon } from '@jupyterlab/ui-components';

import { hasEnded } from '../runs/merge';
import { siteOf } from '../site/model';
import { CommandIDs, DOMAIN, ISite, MIME_TYPE, PluginIDs } from '../tokens';
import { trainingIcon } from './icon';

export const cells: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.cells,
  description: 'Buttons on cells that launch runs.',
  autoStart: true,
  requires: [ISite],
  optional: [INotebookTracker, ITranslator],
  activate: (app: JupyterFrontEnd, site: ISite, notebooks: INotebookTracker | null, translator: ITranslator | null) => {
    if (!notebooks) {
      return;
    }
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const active = (): Cell | null => (isTraining(notebooks.activeCell) ? notebooks.activeCell : null);
    const lives = (): boolean => {
      const run = siteOf(site.state)?.runs.find(each => each.id === runOf(active()));
      return run !== undefined && !hasEnded(run.state);
    };
    const execute = (command: string): void => void app.commands.execute(command, { id: runOf(active()) });
    app.commands.addCommand(CommandIDs.runCell, {
      label: trans.__('Run This Cell'),
      caption: trans.__('Launch the run of this cell'),
      icon: runIcon,
      isVisible: () => active() !== null,
      isEnabled: () => active() !== null,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => {
        const panel = notebooks.currentWidget;
        return panel && NotebookActions.run(panel.content, panel.sessionContext);
      }
    });
    app.commands.addCommand(CommandIDs.stopCell, {
      label: trans.__('Stop the Run of This Cell'),
      caption: trans.__('End the run that this cell launched'),
      icon: stopIcon,
      isVisible: () => active() !== null,
      isEnabled: () => lives() && app.commands.isEnabled(CommandIDs.stopRun),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => execute(CommandIDs.stopRun)
    });
    app.commands.addCommand(CommandIDs.openCell, {
      label: trans.__('Open the Timeline of This Cell'),
      caption: trans.__('Show the run of this cell in a tab of its own'),
      icon: trainingIcon,
      isVisible: () => active() !== null,
      isEnabled: () => runOf(active()) !== '',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => execute(CommandIDs.openRun)
    });
    const tell = (): void => {
      for (const id of [CommandIDs.runCell, CommandIDs.stopCell, CommandIDs.openCell]) {
        app.commands.notifyCommandChanged(id);
      }
    };
    site.changed.connect(tell);
    let watched: ICellModel | null = null; // the model: a cell whose notebook was closed has none any more
    notebooks.activeCellChanged.connect((_, cell) => {
      watched?.contentChanged.disconnect(tell);
      watched = cell?.model ?? null;
      watched?.contentChanged.connect(tell);
      tell();
    });
  }
};

function isTraining(cell: Cell | null): boolean {
  return cell?.model.type === 'code' && cell.model.sharedModel.getSource().trimStart().startsWith('%%aicci');
}

/** The id of the run that the cell's output names, or empty. */
function runOf(cell: Cell | null): string {
  const outputs = (cell as CodeCell | null)?.outputArea.model;
  for (let at = (outputs?.length ?? 0) - 1; at >= 0; at--) {
    const data = outputs?.get(at).data[MIME_TYPE] as { id?: string } | undefined;
    if (data?.id) {
      return data.id;
    }
  }
  return '';
}
