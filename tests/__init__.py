"""The tests of Protoplane and the set-up they need: database engines, tools, benchmarks."""
