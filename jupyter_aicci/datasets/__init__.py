"""What a run reads besides its program: the mounts of `--data` and the snapshot of `--workdir`.

Rule: touches the disk, knows nothing of runs, queues or engines. Imports `model`, pathspec and the standard library.
`mounts.check_mounts` and `snapshot.snapshot` are the ways in.
"""
