from __future__ import annotations

from batcher.manifest.problem import Problems


def test_a_mistake_that_recurs_is_told_once_with_its_number() -> None:
    problems = Problems()
    for place in ("row a.csv:2", "row a.csv:3", "row a.csv:4"):
        problems.add("m.yaml", 5, "prompt", "is empty", where=place)
    problems.add("m.yaml", 5, "size", "is empty", where="row a.csv:9")
    problems.add("m.yaml", 5, "size", "is wrong")
    problems.add("m.yaml", 5, "size", "is wrong")
    assert problems.total == 3
    assert [str(problem) for problem in problems.all()] == [
        "m.yaml:5: prompt: is empty (row a.csv:2 and 2 more)",
        "m.yaml:5: size: is empty (row a.csv:9)",
        "m.yaml:5: size: is wrong",
    ]


def test_beyond_the_limit_mistakes_are_counted() -> None:
    problems = Problems(limit=2)
    for line in range(1, 6):
        problems.add("m.yaml", line, None, "is wrong")
    assert problems.total == 5
    assert [str(problem) for problem in problems.all()] == [
        "m.yaml:1: is wrong",
        "m.yaml:2: is wrong",
        "m.yaml: and 3 more mistakes, not listed",
    ]


def test_one_mistake_beyond_the_limit_is_one() -> None:
    problems = Problems(limit=1)
    for line in (1, 2):
        problems.add("m.yaml", line, None, "is wrong")
    assert str(problems.all()[-1]) == "m.yaml: and 1 more mistake, not listed"
