/**
 * The id of a run that somebody means to launch: drawn once, and the same for every press that means the same run.
 *
 * Rule: the same id sent twice is one run. A new id is due once the service has answered, or something was edited.
 */

/** `jupyter_aicci.model.ids.ALPHABET`: base 32 without i, l, o and u. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const DIGITS = 7;

export class Intent {
  /** The id for what is meant, as a text that is equal for equal meanings. */
  idOf(meant: string): string {
    if (!this._id || meant !== this._meant) {
      this._id = newRunId();
      this._meant = meant;
    }
    return this._id;
  }

  /** The service has answered. */
  end(): void {
    this._id = '';
  }

  private _id = '';
  private _meant = '';
}

function newRunId(): string {
  const digits = crypto.getRandomValues(new Uint8Array(DIGITS));
  return `r${[...digits].map(each => ALPHABET.charAt(each % ALPHABET.length)).join('')}`;
}
