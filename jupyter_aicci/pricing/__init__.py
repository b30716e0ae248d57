"""What runs cost: the price book and the meter.

`book.parse_book(text, config_text) -> PriceBook` gives the price of each shape; `meter.meter(run, now_ns) -> Ledger`
bills every nanosecond of every held node once, at the price that was copied into the run when it was submitted.
Rule: integer micro-units of money, never floats; no I/O, no clock, no threads.
"""
