/**
 * Writing cells into the notebook that the person works in.
 *
 * Rule: a cell that is written is not run. Where the kernel may not know the magic, the cell that brings it is written too.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookActions, type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

const LOAD = '%load_ext jupyter_aicci';
/** The kernel that loads the extension by itself (kernels/aicci). */
const KERNEL = 'aicci';

/** A code cell that begins with this line, below the active one, ready to be written on. Rejects where no notebook is open. */
export async function insertLine(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  line: string,
  trans: TranslationBundle
): Promise<void> {
  const panel = notebooks.currentWidget;
  if (!panel) {
    throw new Error(trans.__('No notebook is open: open one, then insert the cell.'));
  }
  if (!knowsMagic(panel)) {
    insert(panel, LOAD);
  }
  insert(panel, line.startsWith('%%') ? `${line}\n` : line);
  app.shell.activateById(panel.id); // whoever asked from a side panel is to write on in the cell
  await NotebookActions.focusActiveCell(panel.content, { waitUntilReady: true });
  panel.content.mode = 'edit';
  const editor = panel.content.activeCell?.editor;
  editor?.setCursorPosition({ line: editor.lineCount - 1, column: 0 });
  editor?.focus();
}

function insert(panel: NotebookPanel, text: string): void {
  const { content } = panel;
  const { activeCell } = content;
  if (activeCell?.model.type === 'code' && !activeCell.model.sharedModel.getSource().trim()) {
    activeCell.model.sharedModel.setSource(text); // an empty cell is waiting for it
  } else {
    NotebookActions.insertBelow(content);
    NotebookActions.changeCellType(content, 'code');
    content.activeCell?.model.sharedModel.setSource(text);
  }
}

function knowsMagic(panel: NotebookPanel): boolean {
  const kernel = panel.sessionContext.session?.kernel?.name ?? panel.sessionContext.kernelPreference.name;
  const sources = panel.content.widgets.map(cell => cell.model.sharedModel.getSource());
  return kernel === KERNEL || sources.some(source => source.includes(LOAD));
}
