"""How Protoplane compares with a servicer written by hand: `python -m tests.bench`. It reports ratios and never fails on one."""
