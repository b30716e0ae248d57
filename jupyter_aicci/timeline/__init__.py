"""The timeline: all phases and all metrics of a run on one time axis, computed from its journal and its frames.

Everything that shows a run is drawn from one `View` (section 7 of docs/explanation/processes-and-files.md):

    from jupyter_aicci.timeline.view import view
        view(run, frames, *, cost, now_ns, width_px=800, window=None, log_text="", seq=0) -> View
    from jupyter_aicci.timeline.lanes import View, view_from_json, lane_range
        View.to_json() -> dict                       view_from_json(dict) -> View
    from jupyter_aicci.timeline.incremental import Accumulator
    from jupyter_aicci.timeline.deltas import Mark, Delta
        acc = Accumulator(origin_ns=run.submitted_ns)          one a run, fed once, shared by all its watchers
        acc.feed(frames)                                       in the order of seq; acc.cursor = the last seq
        acc.view(run, *, cost, now_ns, width_px=800, window=None, log_text="", seq=0) -> View
        mark = acc.mark(view, width_px=800)                    what one watcher has; one a watcher
        delta = acc.delta(mark, run, *, cost, now_ns, seq=0)   -> Delta(body, mark, lanes_changed)
            lanes_changed: send a fresh view instead; body is None when nothing changed; go on with delta.mark
    from jupyter_aicci.timeline.summary import run_summary, summary_text
        run_summary(run, *, cost_micro, seq=0) -> dict         the summary of section 6
        summary_text(view) -> str                              text/plain, CLI describe, alternative text
    from jupyter_aicci.timeline.figure import figure, item     needs bokeh
        figure(view, *, theme) -> bokeh figure                 item(figure) -> json_item dict
    from jupyter_aicci.timeline.picture import picture         needs matplotlib
        picture(view, *, dpi=150, width_in=8.4) -> bytes       PNG
    from jupyter_aicci.timeline.page import page           needs bokeh
        page(view) -> str                                      one HTML file that opens offline
    from jupyter_aicci.timeline.colours import Theme, THEMES   THEMES["light" | "dark" | "contrast"]

`frames` have seq, source, attempt, node, time_ns (epoch) and frame (dict), as `store.frames` yields them; `cost` is the
ledger's curve, (time_ns, micro-units so far) in order, its last point at now while a node is held.
Rule: no I/O, no clock, no threads. Only `figure` and `page` import bokeh and only `picture` matplotlib: the service stays small.
"""
