# SPDX-License-Identifier: MIT
"""The classical litmus tests."""

# Name, threads, weak outcome (values of all reads in order), and under which uniform orders RC11 allows it:
# relaxed; release/acquire; seq_cst; relaxed with a seq_cst fence between the operations of each thread.
# W and R stand for accesses whose order varies.
SHAPES = [
    ("MP", "w x W 1  w y W 1 | r y R  r x R", "1 0", (True, False, False, False)),
    ("SB", "w x W 1  r y R | w y W 1  r x R", "0 0", (True, True, False, False)),
    ("LB", "r x R  w y W 1 | r y R  w x W 1", "1 1", (False, False, False, False)),
    ("R", "w x W 1  w y W 1 | w y W 2  r x R | r y r  r y r", "0 1 2", (True, True, False, False)),
    ("S", "w x W 2  w y W 1 | r y R  w x W 1 | r x r  r x r", "1 1 2", (True, False, False, False)),
    ("2+2W", "w x W 1  w y W 2 | w y W 1  w x W 2 | r x a  r x a | r y a  r y a", "2 1 2 1", (True, True, False, False)),
    ("CoRR", "w x W 1 | w x W 2 | r x R  r x R | r x R  r x R", "1 2 2 1", (False, False, False, False)),
    ("CoWR", "w x W 1  r x R | w x W 2  r x R", "2 1", (False, False, False, False)),
    ("CoRW", "r x R  w x W 1  r x R | w x W 2", "2 2", (False, False, False, False)),
    ("CoWW", "w x W 1  w x W 2 | r x R  r x R", "2 1", (False, False, False, False)),
    ("WRC", "w x W 1 | r x R  w y W 1 | r y R  r x R", "1 1 0", (True, False, False, False)),
    ("ISA2", "w x W 1  w y W 1 | r y R  w z W 1 | r z R  r x R", "1 1 0", (True, False, False, False)),
    ("RWC", "w x W 1 | r x R  r y R | w y W 1  r x R", "1 0 0", (True, True, False, False)),
    ("IRIW", "w x W 1 | w y W 1 | r x R  r y R | r y R  r x R", "1 0 1 0", (True, True, False, False)),
    ("W+RWC", "w x W 1  w y W 1 | r y R  r z R | w z W 1  r x R", "1 0 0", (True, True, False, False)),
    # What RC11 keeps of "happens before orders SC accesses", and what it gave up.
    ("W+RWC-sc", "w x s 1  w y W 1 | r y R  r z s | w z s 1  r x s", "1 0 0", (True, False, False, False)),
    ("Z6.U", "w x s 1  w y W 1 | a y s 1  r y r | w y s 3  r x s", "1 3 0", (True, True, False, False)),
    ("MP-failed-CAS", "w x r 1  w y W 1 | c y r R 5 6  r x r", "1 0", (True, False, False, False)),
    ("RMW-atomic", "a x W 1 | a x W 1", "0 0", (False, False, False, False)),
    ("CAS-atomic", "c x W r 0 1 | c x W r 0 2", "0 0", (False, False, False, False)),
    ("REL-SEQ", "w x r 1  w y W 1 | a y r 1 | r y R  r x r", "1 2 0", (True, False, False, False)),
    ("REL-SEQ-store", "w x r 1  w y W 1  w y r 2 | r y R  r x r", "2 0", (True, True, True, False)),
]
