/**
 * What an option can be set to that only the service knows: shapes, queues, data sets. Each with what one chooses by.
 *
 * Pure. The tables say which option takes its choices from where; every other option is as its row says.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ISite } from '../site/protocol';
import { mountText } from './data';
import {
  amountWords,
  cachedWords,
  mainResource,
  priceWords,
  resourceWord,
  shapeWords,
  short,
  sizeWords
} from './words';

export interface IChoice {
  readonly value: string;
  /** What stands beside its name in the list. */
  readonly note: string;
  /** What is said below once it is chosen. */
  readonly detail: string;
}

type Choices = (site: ISite, trans: TranslationBundle) => readonly IChoice[];

/** Options of which one is chosen. */
export const CHOICES: Readonly<Record<string, Choices>> = { shape: shapeChoices, queue: queueChoices };

/** Options that are typed, and what is proposed. */
export const PROPOSALS: Readonly<Record<string, Choices>> = { data: dataChoices };

function shapeChoices(site: ISite, trans: TranslationBundle): readonly IChoice[] {
  const auto = { value: 'auto', note: trans.__('the smallest that fits'), detail: '' };
  const shapes = site.shapes.map(shape => {
    const free = trans.__('%1/%2 free', shape.free, shape.total);
    const price = shape.price.micro_per_h ? ` · ${trans.__('%1/h', priceWords(shape.price, trans))}` : '';
    return { value: shape.name, note: free + price, detail: shapeWords(shape, trans) };
  });
  return [auto, ...shapes];
}

function queueChoices(site: ISite, trans: TranslationBundle): readonly IChoice[] {
  const inner = new Set(site.queues.map(queue => queue.parent));
  return site.queues
    .filter(queue => !inner.has(queue.name))
    .map(queue => {
      const resource = mainResource(queue);
      const bound = resource in queue.limit ? queue.limit : queue.capacity;
      const [used, all] = [queue.used[resource] ? queue.used : { [resource]: 0 }, bound].map(each =>
        amountWords(each, resource)
      );
      const note = trans.__('%1 of %2 %3 used', used, all, resourceWord(resource, trans));
      return { value: queue.name, note, detail: queue.queued ? trans._n('%1 waits', '%1 wait', queue.queued) : '' };
    });
}

function dataChoices(site: ISite, trans: TranslationBundle): readonly IChoice[] {
  return site.data.map(data => {
    const where = data.exists ? trans.__('cached: %1', cachedWords(data, trans)) : trans.__('not there now');
    const note = [sizeWords(data, trans), where].filter(Boolean).join(' · ');
    return { value: mountText(data), note, detail: note };
  });
}

/** A choice as one line of a list. */
export function choiceLine({ value, note }: IChoice): string {
  return note ? `${short(value)} · ${note}` : short(value);
}
