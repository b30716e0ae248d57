/**
 * What anywidget gives a view: its model, which is a connection to the kernel. Only what is used here.
 */
export interface IKernelModel {
  get(name: string): unknown;
  send(content: Readonly<Record<string, unknown>>): void;
  on(event: 'msg:custom', heard: (content: FromKernel, buffers: readonly DataView[]) => void): void;
  on(event: 'comm_live_update', heard: () => void): void;
  off(event: string): void;
}

/** What the kernel sends (jupyter_aicci/client/widget.py). */
export type FromKernel =
  { readonly id: string; readonly error?: IKernelError } | { readonly push: string } | { readonly closed: true };

export interface IKernelError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly field?: string;
}
