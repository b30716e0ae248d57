/**
 * Sentences that the service wrote in English, said in the language of the page.
 *
 * A sentence is recognised by its pattern and taken from the catalogue with what stood in its holes; a hole holds data, any
 * sentence, or one of a part's sentences (tools/words/grammar.py reads all of them from the Python source).
 * Rule 1: what is not recognised stays as it is.
 * Rule 2: only messages of the grammar are looked up; the catalogue never sees a run's or a program's own words.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

/** `sentences`: message -> the part of each hole, `*` any sentence, empty data; `parts`: the sentences that a part may be. */
export interface IGrammar {
  readonly sentences: Readonly<Record<string, readonly string[]>>;
  readonly parts: Readonly<Record<string, readonly string[]>>;
}

export type Say = (text: string) => string;

export const asItIs: Say = text => text;

/** Of the messages in the catalogue: what the page says by itself may have the same words, and a plural. */
const CONTEXT = 'service';

/** Longer than any sentence of ours; and so many are remembered. */
const MOST_CHARS = 1_000;
const MOST_KEPT = 2_000;

/** Of a sentence that has joints inside, joints included. */
const MOST_PIECES = 9;

/** Between sentences that the service put in a row. */
const JOINTS = /(: |; | · |\n|(?<=[.!?]) )/;

/** The grammar is fetched only where the page speaks another language than the service. */
export async function speaker(trans: TranslationBundle): Promise<Say> {
  if (trans.__('running') === 'running') {
    return asItIs;
  }
  try {
    const { default: grammar } = await import('./grammar.json');
    return sayer(grammar, trans);
  } catch {
    return asItIs; // the chunk is gone: Jupyter was updated under this page
  }
}

export function sayer(grammar: IGrammar, trans: TranslationBundle): Say {
  const sentences = new Sentences(grammar, trans);
  return text => sentences.say(text).text;
}

/** What a sentence is in the page's language, and how many characters of it are data. */
interface ISaid {
  readonly text: string;
  readonly data: number;
}

class Sentences {
  constructor(
    private readonly _grammar: IGrammar,
    private readonly _trans: TranslationBundle
  ) {
    const all = Object.keys(_grammar.sentences).filter(sentence => /[a-z]{2}/i.test(sentence));
    this._whole = new Set(all.filter(sentence => holesOf(_grammar, sentence).length === 0));
    this._patterns = all
      .filter(sentence => !this._whole.has(sentence))
      .map(sentence => ({ sentence, literals: sentence.split(/%\d+/).filter(Boolean) }));
  }

  /** The text in the page's language, as far as it is known. */
  say(text: string): ISaid {
    let said = this._said.get(text);
    if (!said) {
      const isLong = text.length > MOST_CHARS;
      said = isLong ? asData(text) : this._row(text);
      if (this._said.size >= MOST_KEPT) {
        this._said.clear();
      }
      this._said.set(text, said);
    }
    return said;
  }

  /** One sentence of the grammar, the one that leaves least to data; undefined where it is none. */
  private _sentence(text: string): ISaid | undefined {
    if (this._whole.has(text)) {
      return { text: this._trans._p(CONTEXT, text), data: 0 };
    }
    const likely = this._patterns.filter(({ literals }) => standIn(text, literals));
    return this._best(
      likely.map(({ sentence }) => sentence),
      text
    );
  }

  /** Several sentences in a row, cut where that leaves least to data. One word in a row may be a program's own: it stays. */
  private _row(text: string): ISaid {
    const pieces = text.split(JOINTS);
    const rest: ISaid[] = [];
    rest[pieces.length] = { text: '', data: 0 };
    for (let at = pieces.length - 1; at >= 0; at -= 1) {
      for (let until = Math.min(pieces.length, at + MOST_PIECES); until > at; until -= 1) {
        const piece = pieces.slice(at, until).join('');
        const mayBe = piece === text || /\w \w/.test(piece);
        const said = (mayBe && this._sentence(piece)) || (until === at + 1 && this._piece(piece)) || undefined;
        const after = rest[until];
        if (said && after && said.data + after.data < (rest[at]?.data ?? Infinity)) {
          rest[at] = joined([said, after], said.text + after.text);
        }
      }
    }
    const said = rest[0];
    return said && said.data < text.length ? said : asData(text);
  }

  /** What stands between two sentences, or what is none. */
  private _piece(text: string): ISaid {
    const joints: Readonly<Record<string, string>> = { '; ': this._trans.__('; '), ': ': this._trans.__(': ') };
    return { text: joints[text] ?? text, data: text.length };
  }

  private _matched(sentence: string, text: string): ISaid | undefined {
    const found = this._pattern(sentence).exec(text);
    if (!found) {
      return undefined;
    }
    const holes = holesOf(this._grammar, sentence).map((part, at) => this._hole(part, found[at + 1] ?? ''));
    return joined(holes, this._trans._p(CONTEXT, sentence, ...holes.map(each => each.text)));
  }

  private _hole(part: string, text: string): ISaid {
    if (part === '*') {
      return this.say(text);
    }
    return this._best(this._grammar.parts[part] ?? [], text) ?? asData(text);
  }

  /** What the one of these sentences says that leaves least to data. */
  private _best(sentences: readonly string[], text: string): ISaid | undefined {
    let best: ISaid | undefined;
    for (const sentence of sentences) {
      const said = this._matched(sentence, text);
      best = said && said.data < (best?.data ?? Infinity) ? said : best;
    }
    return best;
  }

  private _pattern(sentence: string): RegExp {
    let pattern = this._compiled.get(sentence);
    if (!pattern) {
      pattern = new RegExp(`^${this._source(sentence, '(')}$`, 's');
      this._compiled.set(sentence, pattern);
    }
    return pattern;
  }

  /** The sentence as a regular expression; `open` begins a hole's group. */
  private _source(sentence: string, open: '(' | '(?:'): string {
    const holes = holesOf(this._grammar, sentence);
    return sentence
      .split(/%(\d+)/)
      .map((piece, at) => (at % 2 ? `${open}${this._inside(holes[Number(piece) - 1] ?? '')})` : escaped(piece)))
      .join('');
  }

  private _inside(part: string): string {
    const sentences = this._grammar.parts[part];
    return sentences ? sentences.map(each => this._source(each, '(?:')).join('|') : '.*?';
  }

  private readonly _whole: ReadonlySet<string>;
  private readonly _patterns: readonly { readonly sentence: string; readonly literals: readonly string[] }[];
  private readonly _compiled = new Map<string, RegExp>();
  private readonly _said = new Map<string, ISaid>();
}

function asData(text: string): ISaid {
  return { text, data: text.length };
}

function joined(parts: readonly ISaid[], text: string): ISaid {
  return { text, data: parts.reduce((sum, each) => sum + each.data, 0) };
}

function holesOf(grammar: IGrammar, sentence: string): readonly string[] {
  return Object.hasOwn(grammar.sentences, sentence) ? (grammar.sentences[sentence] ?? []) : [];
}

/** Whether all of them stand in the text, in this order: cheaper than the pattern, and mostly no. */
function standIn(text: string, literals: readonly string[]): boolean {
  let from = 0;
  return literals.every(each => {
    const at = text.indexOf(each, from);
    from = at + each.length;
    return at >= 0;
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
