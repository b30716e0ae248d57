/**
 * Saving the notebook that shows a run, twice: when the run has just appeared in it, and when its final picture has.
 *
 * A page that is reloaded shows what was saved last. Jupyter saves by itself every two minutes; a run that was launched
 * within the last two would be gone from the page, though it goes on. Rule 1: who has switched autosave off is left alone.
 * Rule 2: one save at a time; Jupyter takes what a second one finds on disk for somebody else's, and asks.
 */
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { Widget } from '@lumino/widgets';

/** Saves the document that a widget is in, if there is something to save and Jupyter may save by itself. */
export function keeper(documents: IDocumentManager | null): (widget: Widget) => void {
  return widget => {
    const context = documents?.autosave ? contextOf(documents, widget) : undefined;
    if (context?.isReady) {
      const before = saves.get(context) ?? Promise.resolve();
      saves.set(
        context,
        before.then(() => save(context))
      );
    }
  };
}

type Context = NonNullable<ReturnType<IDocumentManager['contextForWidget']>>;

/** The latest save that was asked for of each document. */
const saves = new WeakMap<Context, Promise<void>>();

async function save(context: Context): Promise<void> {
  if (!context.isDisposed && context.model.dirty && context.contentsModel?.writable) {
    await context.save().catch(() => undefined); // Jupyter has said why
  }
}

function contextOf(
  documents: IDocumentManager,
  widget: Widget | null
): ReturnType<IDocumentManager['contextForWidget']> {
  return widget ? (documents.contextForWidget(widget) ?? contextOf(documents, widget.parent)) : undefined;
}
