/**
 * Saving the notebook that shows a run, twice: when the run has just appeared in it, and when its final picture has.
 *
 * A page that is reloaded shows what was saved last. Jupyter saves by itself every two minutes; a run that was launched
 * within the last two would be gone from the page, though it goes on. Rule: who has switched autosave off is left alone.
 */
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { Widget } from '@lumino/widgets';

/** Saves the document that a widget is in, if there is something to save and Jupyter may save by itself. */
export function keeper(documents: IDocumentManager | null): (widget: Widget) => void {
  return widget => {
    const context = documents?.autosave ? contextOf(documents, widget) : undefined;
    if (context?.isReady && context.model.dirty && context.contentsModel?.writable) {
      void context.save();
    }
  };
}

function contextOf(
  documents: IDocumentManager,
  widget: Widget | null
): ReturnType<IDocumentManager['contextForWidget']> {
  return widget ? (documents.contextForWidget(widget) ?? contextOf(documents, widget.parent)) : undefined;
}
