"""What executes placed attempts: `local` runs them as processes of this host.

Rule: an engine is four verbs (start, adopt, stop, observe) and an inventory; each verb may be called again after a crash.
"""
