/**
 * Titles of the settings, and the name of the menu that they define, in the language of the page.
 *
 * JupyterLab's server translates the schemas of its own plugins and leaves those of extensions as they are.
 * Rule: only words are changed, in place: nothing is loaded anew, and no setting is touched.
 */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { MenuBar } from '@lumino/widgets';

import { DOMAIN, PluginIDs } from '../tokens';
import { translateSchema } from '../words/schemas';

const MENU = 'jp-mainmenu-aicci-training';

export const schemas: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.schemas,
  description: 'Says settings and the menu in the language of the page.',
  autoStart: true,
  optional: [ISettingRegistry, ITranslator],
  activate: (app: JupyterFrontEnd, registry: ISettingRegistry | null, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    void app.restored.then(() => {
      for (const id of Object.values(PluginIDs)) {
        translateSchema(registry?.plugins[id]?.schema, trans);
      }
      nameMenu(app, trans);
    });
  }
};

function nameMenu(app: JupyterFrontEnd, trans: TranslationBundle): void {
  for (const bar of app.shell.widgets('menu')) {
    const menu = bar instanceof MenuBar ? bar.menus.find(each => each.id === MENU) : undefined;
    if (menu) {
      menu.title.label = trans._p('schema', menu.title.label);
    }
  }
}
