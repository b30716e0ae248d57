/**
 * Which run a command means: the one that it is told, the row under the context menu, or one that the person chooses.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyJSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { stateWord } from '../card/words';
import type { ISummary } from '../protocol';
import { siteOf } from '../site/model';
import type { ISite } from '../tokens';

/** The arguments of commands of one run. */
export const idArgs: ReadonlyJSONObject = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'The id of the run; without it, the person is asked' },
    isPalette: { type: 'boolean', description: 'Whether it stands in the command palette or a menu' }
  }
};

/** The id that is meant; null where nobody chose one of those that `fits`. */
export type Chooser = (
  args: ReadonlyPartialJSONObject,
  title: string,
  fits: (run: ISummary) => boolean
) => Promise<string | null>;

export function runChooser(app: JupyterFrontEnd, site: ISite, trans: TranslationBundle): Chooser {
  return async (args, title, fits) => {
    if (typeof args.id === 'string') {
      return args.id;
    }
    const row = args.isPalette ? undefined : app.contextMenuHitTest(node => Boolean(node.dataset.runId));
    return row?.dataset.runId ?? (await asked((siteOf(site.state)?.runs ?? []).filter(fits), title, trans));
  };
}

async function asked(runs: readonly ISummary[], title: string, trans: TranslationBundle): Promise<string | null> {
  const items = runs.map(run => [run.name, run.id, stateWord(run.state, trans)].filter(Boolean).join(' · '));
  if (!items.length) {
    return null;
  }
  const { button, value } = await InputDialog.getItem({ title, items });
  return button.accept && value !== null ? (runs[items.indexOf(value)]?.id ?? null) : null;
}
