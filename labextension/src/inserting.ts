/**
 * New cells: the command that inserts one, and the launch form of `%aicci`, which asks for one over a comm of its kernel.
 *
 * A kernel cannot add a cell by itself between two executions; jupyter_aicci/widgets/inserting.py is the other end.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIDs, DOMAIN, FORM_TARGET, PluginIDs } from './tokens';

/** A cell that begins with this line, below the active one and ready to be written in. */
export function insertCell({ content }: NotebookPanel, magic: string): void {
  NotebookActions.insertBelow(content);
  content.activeCell?.model.sharedModel.setSource(`${magic}\n`);
  content.mode = 'edit';
}

/** Insert what the forms of this kernel ask for, and tell them. */
export function heed(kernel: Kernel.IKernelConnection, insert: (magic: string) => void): void {
  kernel.registerCommTarget(FORM_TARGET, (comm, message) => {
    insert(String((message.content.data as { magic?: unknown }).magic));
    comm.send({ inserted: true });
  });
}

export const inserting: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.inserting,
  description: 'Inserts cells that launch runs.',
  autoStart: true,
  optional: [INotebookTracker, ITranslator],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker | null, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    app.commands.addCommand(CommandIDs.insertCell, {
      label: trans.__('Insert a cell that launches a run'),
      execute: args => {
        if (!notebooks?.currentWidget) {
          throw new Error(trans.__('Open a notebook first: the cell goes below its active one.'));
        }
        insertCell(notebooks.currentWidget, typeof args.magic === 'string' ? args.magic : '%%aicci train');
      }
    });
    notebooks?.widgetAdded.connect((_, panel) => {
      const { sessionContext } = panel;
      const heedNow = (): void => {
        const kernel = sessionContext.session?.kernel;
        if (kernel) {
          heed(kernel, magic => insertCell(panel, magic));
        }
      };
      sessionContext.kernelChanged.connect(heedNow);
      heedNow();
    });
  }
};
