"""Everything that is kept on disk: where it lies, the journal, frames, logs, and the axis that their times are on.

`paths.Home` names the directories, `journal.Journal` keeps what happened to runs, `frames.FrameStore` what their
processes said, `logs.read_log` reads what ranks printed, `clock.Clock` moves boot times to epoch times.
Rule: nothing that was acknowledged is lost silently; every error says which file, what is wrong with it, what to do.
"""
