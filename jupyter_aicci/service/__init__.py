"""The service: the control loop, the HTTP API and the streams; the journal's only writer.

`main` starts and ends it, `loop` turns what agents say into rows and acts (`control` decides, purely, from `seen`), `http` and
`routes` answer on the Unix socket, `stream` feeds watchers, `desk` accepts and stops runs, `views` draws.
Rule: one thread, one journal; what is acknowledged is on disk. It may be killed at any moment.
"""
