/**
 * A word when a run of this user ends, with its state and a way to it; a setting switches it off.
 *
 * Rule: only what is seen to end is told: a page that is opened later tells nothing of what was over.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

import { stateWord } from '../card/words';
import type { ISummary } from '../protocol';
import type { ISite as ISiteRows } from '../site/protocol';
import { hasEnded } from '../runs/merge';
import { siteOf } from '../site/model';
import { CommandIDs, DOMAIN, ISite, PluginIDs } from '../tokens';

const TYPES: Readonly<Record<string, Notification.TypeOptions>> = { succeeded: 'success', failed: 'error' };
const CLOSES_MS = 10_000;

export const notices: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.notices,
  description: 'A word when a run ends.',
  autoStart: true,
  requires: [ISite],
  optional: [ISettingRegistry, ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    site: ISite,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    let isOn = true;
    let before: ISiteRows | null = null;
    site.changed.connect((_, state) => {
      const now = siteOf(state);
      if (isOn && before && now && before.runs !== now.runs) {
        endedSince(before, now).forEach(run => tell(app, run, trans));
      }
      before = now;
    });
    const settings = await registry?.load(PluginIDs.notices).catch(() => null);
    const take = (): void => void (isOn = settings?.composite.runEnds !== false);
    settings?.changed.connect(take);
    take();
  }
};

/** Runs of this user that lived in `before` and have ended in `now`. */
export function endedSince(before: ISiteRows, now: ISiteRows): ISummary[] {
  const lived = new Set(before.runs.filter(run => !hasEnded(run.state)).map(run => run.id));
  return now.runs.filter(run => lived.has(run.id) && hasEnded(run.state) && run.owner === now.user);
}

function tell(app: JupyterFrontEnd, run: ISummary, trans: TranslationBundle): void {
  const words = trans.__('Run %1: %2', run.name || run.id, stateWord(run.state, trans));
  Notification.emit(
    run.state === 'failed' && run.reason ? `${words}. ${run.reason}` : words,
    TYPES[run.state] ?? 'info',
    {
      autoClose: run.state === 'failed' ? false : CLOSES_MS,
      actions: [
        { label: trans.__('Open'), callback: () => void app.commands.execute(CommandIDs.openRun, { id: run.id }) }
      ]
    }
  );
}
