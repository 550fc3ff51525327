"""How Protoplane compares with servers written by hand: `python -m tests.bench`. It reports ratios and never fails on one."""
