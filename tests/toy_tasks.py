"""A few-shot task over toy studies: a group more than the task asks for, and a stranger between them."""

from rnalearner.config import TaskConfig

TASK = TaskConfig(name="flight", train="A", validation="B", test="C")
STUDIES = {
    "A": (["FLT", "GC", "FLT"], ["m1", "m2", "m3"]),
    "B": (["GC", "FLT"], ["m4", "m5"]),
    "other": (["FLT", "GC"], ["x1", "x2"]),
    "C": (["GC", "VIV", "FLT", "GC", "FLT"], ["m6", "m7", "m8", "m9", "m10"]),
}
