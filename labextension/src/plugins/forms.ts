/**
 * Cells for the launch form of `%aicci`, which asks for one over a comm of its kernel.
 *
 * A kernel cannot add a cell by itself between two executions; jupyter_aicci/widgets/inserting.py is the other end.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import { CommandIDs, FORM_TARGET, PluginIDs } from '../tokens';

export const forms: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.forms,
  description: 'Inserts the cell that a launch form in a notebook asks for.',
  autoStart: true,
  optional: [INotebookTracker],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker | null) => {
    const insert = (magic: string): Promise<unknown> => app.commands.execute(CommandIDs.insertCell, { magic });
    notebooks?.widgetAdded.connect((_, { sessionContext }) => {
      const heedNow = (): void => heed(sessionContext.session?.kernel ?? null, insert);
      sessionContext.kernelChanged.connect(heedNow);
      heedNow();
    });
  }
};

/** Insert what the forms of this kernel ask for, and tell them. */
function heed(kernel: Kernel.IKernelConnection | null, insert: (magic: string) => Promise<unknown>): void {
  kernel?.registerCommTarget(FORM_TARGET, async (comm, message) => {
    await insert(String((message.content.data as { magic?: unknown }).magic));
    comm.send({ inserted: true });
  });
}
